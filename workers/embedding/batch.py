"""Inputs side by side, padded on the right: last-token pooling and causal masks are exact that way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from workers.embedding.job import Item


@dataclass(frozen=True, slots=True)
class Batch:
    """Arrays of [rows, width]; `mask` is 1 on tokens and 0 on padding."""

    ids: mx.array
    mask: mx.array
    types: mx.array
    ends: mx.array  # [rows]: where each row's last token is


def collate(items: Sequence[Item], width: int, pad: int) -> Batch:
    """`items` as one batch of `width` columns, filled with the token `pad`."""
    shape = (len(items), width)
    ids, mask, types = np.full(shape, pad, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for row, item in enumerate(items):
        ids[row, : len(item.tokens)] = item.tokens
        mask[row, : len(item.tokens)] = 1
        if item.types is not None:
            types[row, : len(item.types)] = item.types
    ends = np.array([len(item.tokens) - 1 for item in items], np.int32)
    return Batch(mx.array(ids), mx.array(mask), mx.array(types), mx.array(ends))
