"""What libraries raise over a model's folder, as one error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError

from shared.errors import ConfigError

_FAULTS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError, AssertionError),
    StrictDataclassError,
)


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Raises ConfigError for a folder that can't be hosted; a lack of memory, which is no fault of it, as it is."""
    try:
        yield
    except _FAULTS as error:
        if "allocate" in str(error):  # MLX's words for a lack of memory
            raise
        raise ConfigError(f"{name} can't be loaded: {str(error) or type(error).__name__}") from error
    except SystemExit as error:  # some families' modules end the process where a package is missing
        reason = error.__context__ or f"its code ended the process with status {error.code}"
        raise ConfigError(f"{name} can't be loaded: {reason}") from error
