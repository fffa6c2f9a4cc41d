"""A model folder to a model, a tokenizer and the facts that the engines need, by mlx-embeddings' own loading code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_embeddings.tokenizer_utils import load_tokenizer
from mlx_embeddings.utils import _get_classes, load_model

from shared.errors import ConfigError
from shared.limits import longest_text
from workers.embedding.folder import read_json

Classes = Callable[[dict[str, Any]], tuple[Any, Any, None, None]]
"""Picks (model class, arguments class) for a config, as `load_model` asks for them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Sizes in bytes, lengths in tokens. `context` is what the model can read, whatever the node's YAML allows."""

    model: Any
    tokenizer: Any
    config: Mapping[str, Any]
    context: int
    vocab_size: int
    pad: int
    eos: int | None
    weights: int
    exact: bool  # float32: rows agree to rounding, else to the precision of the weights


def read_config(folder: Path) -> dict[str, Any]:
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ConfigError(f"{folder.name} has no config.json that names a model_type")
    return config


def load(
    folder: Path,
    config: Mapping[str, Any],
    *,
    trust_remote_code: bool = False,
    classes: Classes | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Loaded:
    """Loads and evaluates the weights; `changes` replace keys of the config. Raises ConfigError."""
    try:
        model = load_model(
            folder,
            model_config=dict(changes or {}),
            get_model_classes=classes or _get_classes,
            path_to_repo=str(folder),
        )
        tokenizer = load_tokenizer(folder, {"trust_remote_code": trust_remote_code})
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"{folder.name} can't be loaded: {error}") from error
    leaves: Any = tree_flatten(model.parameters())
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        config=config,
        context=min(longest_text(folder, config), int(tokenizer.model_max_length)),
        vocab_size=int(model.config.vocab_size),
        pad=_first(config.get("pad_token_id"), tokenizer.pad_token_id, 0),
        eos=_eos(config, tokenizer),
        weights=sum(int(array.nbytes) for _, array in leaves),
        exact=all(array.dtype == mx.float32 for _, array in leaves),
    )


def _eos(config: Mapping[str, Any], tokenizer: Any) -> int | None:
    """config.json's goes first: Qwen3-Embedding was trained with that one, not with the tokenizer's."""
    stated = config.get("eos_token_id")
    stated = stated[0] if isinstance(stated, list) and stated else stated
    return stated if isinstance(stated, int) else tokenizer.eos_token_id


def _first(*values: Any) -> int:
    return int(next(value for value in values if value is not None))
