"""Attention over groups of rows: what lets rows of very different length share one pass over the weights.

mlx-lm's models call `scaled_dot_product_attention` of their module with what their cache handed out. `GroupedCache`
hands out lists, one entry a group, which only the function below understands; it is put in place of mlx-lm's.
"""

from __future__ import annotations

import sys
from typing import Any

import mlx.core as mx
from mlx_lm.models import base

_NAME = "scaled_dot_product_attention"
_plain = getattr(base, _NAME)


def grouped_attention(
    queries: mx.array,
    keys: Any,
    values: Any,
    cache: Any,
    scale: float,
    mask: Any,
    sinks: mx.array | None = None,
) -> mx.array:
    """As mlx-lm's function; for lists, group by group. queries: [rows, heads, new, dim]."""
    if not isinstance(keys, list):
        plain: mx.array = _plain(queries, keys, values, cache, scale, mask, sinks)
        return plain
    out, at = [], 0
    for k, v, m in zip(keys, values, mask, strict=True):
        rows = k.shape[0]
        out.append(
            mx.fast.scaled_dot_product_attention(queries[at : at + rows], k, v, scale=scale, mask=m, sinks=sinks)
        )
        at += rows
    return mx.concatenate(out)


def install() -> None:
    """Puts `grouped_attention` into every mlx-lm model module that is loaded; harmless to repeat."""
    for name, module in list(sys.modules.items()):
        if name.startswith("mlx_lm.models.") and getattr(module, _NAME, None) is _plain:
            setattr(module, _NAME, grouped_attention)
