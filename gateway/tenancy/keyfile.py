"""The keys that `mlx-gateway keys` manages: a JSON file in the state directory, replaced whole, for its owner only."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from shared.config.keys import KeyConfig
from shared.errors import ConfigError

NAME = "keys.json"
LOCAL = "local.key"
_PREFIX = "mg-"  # so that secret scanners can know a key


def new_key() -> str:
    """A fresh key: 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read(file: Path) -> tuple[KeyConfig, ...]:
    """The keys in the file, none when there is no file. Raises ConfigError when it can't be read."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return tuple(KeyConfig.model_validate(value) for value in values["keys"])
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{file}: can't be read: {error}") from error


def write(file: Path, keys: Iterable[KeyConfig]) -> None:
    """Replaces the file in one step. Raises ConfigError."""
    values = {"keys": [key.model_dump(mode="json", exclude_defaults=True) for key in keys]}
    _replace(file, json.dumps(values, indent=2) + "\n")


def write_local(folder: Path) -> KeyConfig:
    """A fresh admin key for the commands of whoever may read the state directory. Raises ConfigError."""
    key = new_key()
    _replace(folder / LOCAL, key)
    return KeyConfig(name="local", key_sha256=digest(key), role="admin")


def read_local(folder: Path) -> str | None:
    """The key that `write_local` left, if this user may read it."""
    try:
        return (folder / LOCAL).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _replace(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(file)
    except OSError as error:
        raise ConfigError(f"{file}: can't be written: {error}") from error


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None when there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
