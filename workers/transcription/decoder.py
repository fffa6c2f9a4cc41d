"""Whisper's decoder over rows of different lengths: the model's layers, with keys and values kept by us.

Shapes: B rows, H heads, D values a head, T text positions, A sound positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx.nn.layers.activations import gelu

KeysValues = tuple[mx.array, mx.array]  # [B, H, positions, D] each


def sound_keys(decoder: Any, sound: mx.array) -> list[KeysValues]:
    """What every layer's cross-attention looks at, of encoded windows [B, A, state]."""
    return [
        (_split(block.cross_attn, block.cross_attn.key(sound)), _split(block.cross_attn, block.cross_attn.value(sound)))
        for block in decoder.blocks
    ]


def read(decoder: Any, tokens: mx.array, sound: Sequence[KeysValues]) -> tuple[mx.array, list[KeysValues]]:
    """Reads [B, T] tokens, padded on the right, from the beginning. Gives hidden states and the text's keys."""
    length = tokens.shape[1]
    hidden = decoder.token_embedding(tokens) + decoder.positional_embedding[:length]
    kept: list[KeysValues] = []
    for block, (keys, values) in zip(decoder.blocks, sound, strict=True):
        x = block.attn_ln(hidden)
        own = _split(block.attn, block.attn.key(x)), _split(block.attn, block.attn.value(x))
        hidden = hidden + attend(block.attn, _split(block.attn, block.attn.query(x)), *own, "causal")
        x = block.cross_attn_ln(hidden)
        hidden = hidden + attend(block.cross_attn, _split(block.cross_attn, block.cross_attn.query(x)), keys, values)
        hidden = hidden + _feed_forward(block, hidden)
        kept.append(own)
    return decoder.ln(hidden), kept


def step(
    decoder: Any, tokens: mx.array, positions: mx.array, text: list[KeysValues], sound: Sequence[KeysValues]
) -> mx.array:
    """One token a row, [B] at `positions` [B]: writes its keys into `text` and gives logits [B, vocabulary].

    `text` and `sound` may hold more rows than B; the first B are meant.
    """
    count, length = tokens.shape[0], text[0][0].shape[2]
    rows = mx.arange(count)
    mask = (mx.arange(length)[None] <= positions[:, None])[:, None, None]
    hidden = (decoder.token_embedding(tokens) + decoder.positional_embedding[positions])[:, None]
    for layer, block in enumerate(decoder.blocks):
        x = block.attn_ln(hidden)
        keys, values = text[layer]
        keys[rows, :, positions] = _split(block.attn, block.attn.key(x))[:, :, 0]
        values[rows, :, positions] = _split(block.attn, block.attn.value(x))[:, :, 0]
        text[layer] = (keys, values)
        query = _split(block.attn, block.attn.query(x))
        hidden = hidden + attend(block.attn, query, keys[:count], values[:count], mask)
        x = block.cross_attn_ln(hidden)
        query = _split(block.cross_attn, block.cross_attn.query(x))
        hidden = hidden + attend(block.cross_attn, query, sound[layer][0][:count], sound[layer][1][:count])
        hidden = hidden + _feed_forward(block, hidden)
    return logits(decoder, decoder.ln(hidden)[:, 0])


def logits(decoder: Any, hidden: mx.array) -> mx.array:
    scores: mx.array = decoder.token_embedding.as_linear(hidden)
    return scores.astype(mx.float32)


def attend(
    attention: Any, query: mx.array, keys: mx.array, values: mx.array, mask: mx.array | str | None = None
) -> mx.array:
    scale = query.shape[-1] ** -0.5
    mixed = mx.fast.scaled_dot_product_attention(query, keys, values, scale=scale, mask=mask)
    result: mx.array = attention.out(mixed.transpose(0, 2, 1, 3).flatten(2))
    return result


def cross_weights(
    decoder: Any, tokens: mx.array, sound: Sequence[KeysValues], heads: Sequence[tuple[int, int]], ticks: int
) -> tuple[mx.array, mx.array]:
    """Reads one row [1, T] again: where the chosen heads looked [heads, T, ticks], hidden states [1, T, state]."""
    hidden = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
    looked: dict[int, mx.array] = {}
    for layer, (block, (keys, values)) in enumerate(zip(decoder.blocks, sound, strict=True)):
        x = block.attn_ln(hidden)
        query, *own = (_split(block.attn, part(x)) for part in (block.attn.query, block.attn.key, block.attn.value))
        hidden = hidden + attend(block.attn, query, own[0], own[1], "causal")
        query = _split(block.cross_attn, block.cross_attn.query(block.cross_attn_ln(hidden)))
        if any(layer == chosen for chosen, _ in heads):
            scores = (query[0] * query.shape[-1] ** -0.5) @ keys[0, :, :ticks].swapaxes(-1, -2)
            looked[layer] = mx.softmax(scores.astype(mx.float32), axis=-1, precise=True)
        hidden = hidden + attend(block.cross_attn, query, keys, values)
        hidden = hidden + _feed_forward(block, hidden)
    return mx.stack([looked[layer][head] for layer, head in heads]), decoder.ln(hidden)


def _feed_forward(block: Any, hidden: mx.array) -> mx.array:
    result: mx.array = block.mlp2(gelu(block.mlp1(block.mlp_ln(hidden))))
    return result


def _split(attention: Any, x: mx.array) -> mx.array:
    """[B, T, state] to [B, H, T, D]."""
    heads: int = attention.n_head
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)
