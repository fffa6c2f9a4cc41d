"""What sentence-transformers' files in a model's folder say: pooling, longest input, prompts.

Format: https://sbert.net/docs/sentence_transformer/usage/custom_models.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from shared.errors import ConfigError


class Pooling(Enum):
    """How the hidden states of a text become one vector."""

    CLS = "cls"  # the first token's
    MEAN = "mean"
    LAST = "lasttoken"


# Normalised, mean and mean over the root of the length are the same vector.
_MODES = {"cls_token": Pooling.CLS, "mean_tokens": Pooling.MEAN, "mean_sqrt_len_tokens": Pooling.MEAN}
_MODES |= {"lasttoken": Pooling.LAST, "cls": Pooling.CLS, "mean": Pooling.MEAN, "mean_sqrt_len": Pooling.MEAN}


@dataclass(frozen=True, slots=True)
class Prompts:
    """Text that the model expects in front of an input."""

    default: str = ""
    query: str = ""
    document: str = ""


def read_json(path: Path) -> Any:
    """None where there is no such file. Raises ConfigError for one that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error


def read_pooling(folder: Path, default: Pooling) -> Pooling:
    """Raises ConfigError for a way of pooling that this worker lacks."""
    modules = read_json(folder / "modules.json") or []
    path = next((module["path"] for module in modules if str(module.get("type")).endswith(".Pooling")), "1_Pooling")
    config = read_json(folder / path / "config.json")
    if config is None:
        return default
    modes = [name.removeprefix("pooling_mode_") for name, on in config.items() if on is True and "_mode_" in name]
    modes = modes or [str(config.get("pooling_mode", default.value))]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise ConfigError(f"{folder.name} pools by {' + '.join(modes)}; this worker knows cls, mean and lasttoken")
    return _MODES[modes[0]]


def read_prompts(folder: Path) -> Prompts:
    config = read_json(folder / "config_sentence_transformers.json")
    known = config.get("prompts") if isinstance(config, Mapping) else None
    if not isinstance(known, Mapping):
        return Prompts()
    return Prompts(
        default=str(known.get(config.get("default_prompt_name")) or ""),
        query=str(known.get("query") or ""),
        document=str(known.get("document") or ""),
    )
