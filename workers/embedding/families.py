"""The text encoders of mlx-embeddings: how each is run, and from what its vectors are made.

Pooling is ours, from hidden states: the library always takes the mean for BERT and XLM-R (the BGE and E5 models differ
there), and trusts config.json where sentence-transformers' files say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from shared.errors import ConfigError
from workers.embedding.batch import Batch
from workers.embedding.folder import Pooling

Forward = Callable[[Any, Batch], mx.array]
"""(model, batch) to hidden states [rows, width, hidden]."""


@dataclass(frozen=True, slots=True)
class Family:
    hidden: Forward
    pooling: Pooling  # where the folder states none


def family(model_type: str) -> Family:
    """Raises ConfigError for a model that is no text encoder of mlx-embeddings."""
    found = FAMILIES.get(model_type.replace("-", "_"))
    if found is None:
        raise ConfigError(f"models of type {model_type!r} can't embed text here; {', '.join(FAMILIES)} can")
    return found


def pooled(hidden: mx.array, batch: Batch, pooling: Pooling) -> mx.array:
    """[rows, hidden] in float32, untouched by what a model computes at padding (some leave NaN there)."""
    if pooling is Pooling.CLS:
        return hidden[:, 0].astype(mx.float32)
    if pooling is Pooling.LAST:
        return hidden[mx.arange(hidden.shape[0]), batch.ends].astype(mx.float32)
    text = mx.where(batch.mask[..., None] > 0, hidden.astype(mx.float32), 0.0)
    return text.sum(axis=1) / (batch.ends[:, None] + 1)


def normalised(vectors: mx.array) -> mx.array:
    return vectors / mx.maximum(mx.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _bert(model: Any, batch: Batch) -> mx.array:
    return _array(model(batch.ids, token_type_ids=batch.types, attention_mask=batch.mask).last_hidden_state)


def _plain(model: Any, batch: Batch) -> mx.array:
    return _array(model(batch.ids, attention_mask=batch.mask).last_hidden_state)


def _modernbert(model: Any, batch: Batch) -> mx.array:
    """Below the library's own pooling. The mask becomes additive in its own dtype, so that has to be the model's."""
    dtype = model.model.embeddings.norm.weight.dtype
    return _array(model.model(batch.ids, attention_mask=batch.mask.astype(dtype))["last_hidden_state"])


def _gemma3(model: Any, batch: Batch) -> mx.array:
    """The library lets every layer see the whole text; in the model all but each sixth see a window around the token.

    Bounds as in transformers' Gemma3TextConfig for `use_bidirectional_attention`.
    """
    inner = model.model
    h = inner.embed_tokens(batch.ids)
    h = h * mx.array(model.config.hidden_size**0.5, h.dtype)
    places = mx.arange(batch.ids.shape[1])
    near = mx.abs(places[:, None] - places[None]) < model.config.sliding_window // 2 + 1
    text = batch.mask[:, None, None, :] > 0
    # A row of padding may have no text in its window: it sees itself, or NaN would spread.
    window = (text & near) | (places[:, None] == places[None])
    for layer in inner.layers:
        h = layer(h, window if layer.self_attn.is_sliding else text, None)
    return _array(inner.norm(h))


def _array(value: Any) -> mx.array:
    found: mx.array = value
    return found


FAMILIES = {
    "bert": Family(_bert, Pooling.MEAN),
    "xlm_roberta": Family(_plain, Pooling.MEAN),
    "modernbert": Family(_modernbert, Pooling.MEAN),
    "qwen3": Family(_plain, Pooling.LAST),
    "gemma3_text": Family(_gemma3, Pooling.MEAN),
    "llama_bidirec": Family(_plain, Pooling.MEAN),
}
