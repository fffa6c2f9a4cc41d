"""A model folder's processor: what turns pictures into a family's tensors."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import getclosurevars
from pathlib import Path
from typing import Any

from shared.errors import ConfigError


def load_processor(folder: Path, model_type: str, trust_remote_code: bool) -> Any:
    """mlx-vlm's processor for the folder. Raises ConfigError with the family's own complaint when there is none."""
    from mlx_vlm.utils import load_image_processor
    from mlx_vlm.utils import load_processor as load

    try:
        processor = load(folder, add_detokenizer=False, trust_remote_code=trust_remote_code)
    except Exception as error:
        # mlx-vlm falls back to transformers when its own processor fails, and then complains about something else.
        first = _complaint(folder, model_type) or error
        raise ConfigError(f"{folder.name} has no usable processor: {first}") from error
    own = load_image_processor(folder)
    if own is not None:
        processor.image_processor = own
    if getattr(processor, "image_processor", None) is None and not hasattr(processor, "tokenizer"):
        reason = _complaint(folder, model_type) or "is its processor_config.json or preprocessor_config.json missing?"
        raise ConfigError(f"{folder.name} has a tokenizer, but no processor for images: {reason}")
    return processor


def _complaint(folder: Path, model_type: str) -> Exception | None:
    """What the family's own processor says about the folder; None when it has nothing to say."""
    for family in _own(model_type):
        try:
            family.from_pretrained(folder, trust_remote_code=False)
        except Exception as error:
            # It is the error that is wanted, whatever it is.
            return error
    return None


def _own(model_type: str) -> Iterator[Any]:
    """The processor classes that mlx-vlm has put in front of transformers' for a model type, newest first."""
    from transformers import AutoProcessor

    hook: Any = AutoProcessor.from_pretrained
    while hook is not None:
        held = getclosurevars(getattr(hook, "__func__", hook)).nonlocals
        if model_type.lower() in held.get("target_model_types", ()):
            yield held["processor_cls"]
        hook = held.get("previous_from_pretrained")
