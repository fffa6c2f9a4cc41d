"""From a model's `source` to a folder on this machine: a folder as it is, anything else from the Hugging Face Hub."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from workers.engine import Progress

# What mlx-lm fetches (`DEFAULT_ALLOW_PATTERNS` in its utils.py), and what Kokoro's and Whisper's repositories hold.
PATTERNS = (
    "*.json",
    "model*.safetensors",
    "kokoro*.safetensors",
    "voices/*.safetensors",
    "weights.npz",
    "*.py",
    "tokenizer.model",
    "*.tiktoken",
    "tiktoken.model",
    "*.txt",
    "*.jsonl",
    "*.jinja",
)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

Snapshot = Callable[..., str]


def resolve_source(source: str, progress: Progress, snapshot: Snapshot | None = None) -> Path:
    """The model's folder; reports ("download", fraction of the bytes, hub id) on the way.

    Raises ConfigError for a missing folder, an unknown or gated repository, and when there is no network.
    `snapshot` stands for `huggingface_hub.snapshot_download`.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(source) or source.startswith("."):
        raise ConfigError(f"there is no model folder {source}")
    from huggingface_hub import errors, snapshot_download

    progress("download", None, source)
    bar = progress_bar(lambda fraction: progress("download", fraction, source))
    try:
        return Path((snapshot or snapshot_download)(source, allow_patterns=list(PATTERNS), tqdm_class=bar))
    except (OSError, ValueError, errors.HTTPError) as error:  # the disk's, the hub's, its HTTP library's
        raise ConfigError(_explain(source, error)) from error


def _explain(source: str, error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"{source} is gated: accept its terms on the Hugging Face Hub and log in with `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{source} is neither a folder here nor a repository that the Hugging Face Hub shows to this user"
    if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError):
        return f"{source} is not on this machine yet and the Hugging Face Hub can't be reached"
    return f"{source} can't be downloaded: {type(error).__name__}: {str(error)[:300]}"


def progress_bar(report: Callable[[float], None]) -> type[Any]:
    """A tqdm class that draws nothing and reports the fraction of the bytes, in steps of a percent.

    snapshot_download counts files on one bar, and all files' bytes on another one or two (received and written), from
    several threads; the one that is further tells how far the download is.
    """
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    counts: dict[int, int] = {}  # percent of each bar of bytes

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread that redraws

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._of_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> None:
            with self.get_lock():
                self.n += n or 0
                if not (self._of_bytes and self.total):
                    return
                before = max(counts.values(), default=-1)
                counts[id(self)] = min(100, int(100 * self.n / self.total))
                percent = max(counts.values())
            if percent != before:
                report(percent / 100)

        def display(self, *_: Any, **__: Any) -> None:
            return None

    Bar.set_lock(threading.RLock())  # tqdm's own would start a helper process
    return Bar
