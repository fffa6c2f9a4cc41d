"""A model folder to a model, a tokenizer and the facts that the engine needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model

from workers.platform.engine_args import EngineArgs
from workers.platform.loading import loading
from workers.platform.tokenizer import load_tokenizer

_FALLBACK_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Loaded:
    """Sizes in bytes, lengths in tokens. `defaults` are generation_config.json's own."""

    model: Any
    tokenizer: Any
    config: Mapping[str, Any]
    generation_config: Mapping[str, Any]
    context: int
    vocab_size: int
    eos: frozenset[int]
    weights: int


def load(folder: Path, args: EngineArgs) -> Loaded:
    """Loads and evaluates the weights. Raises ConfigError when the folder can't be hosted."""
    with loading(folder.name):
        return _load(folder, args)


def _load(folder: Path, args: EngineArgs) -> Loaded:
    model, config = load_model(folder, trust_remote_code=args.trust_remote_code)
    tokenizer = load_tokenizer(folder, args.trust_remote_code, config.get("eos_token_id"))
    if not tokenizer.encode("a", add_special_tokens=False):
        raise ValueError("it has no tokenizer")  # transformers makes an empty one for some families
    logits = model(mx.array([[0]]))
    generation = folder / "generation_config.json"
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        config=config,
        generation_config=json.loads(generation.read_text()) if generation.is_file() else {},
        context=args.context(_native_context(config, tokenizer)),
        vocab_size=int(logits.shape[-1]),
        eos=frozenset(int(token) for token in tokenizer.eos_token_ids),
        weights=sum(int(array.nbytes) for array in _arrays(model)),
    )


def _arrays(model: Any) -> list[mx.array]:
    leaves: Any = tree_flatten(model.parameters())
    return [array for _, array in leaves]


def _native_context(config: Mapping[str, Any], tokenizer: Any) -> int:
    text = config.get("text_config") or {}
    known = config.get("max_position_embeddings") or text.get("max_position_embeddings")
    if known is None:
        longest = getattr(tokenizer, "model_max_length", None)
        known = longest if isinstance(longest, int) and longest < 10**7 else _FALLBACK_CONTEXT
    return int(known)
