"""Attention over groups of rows: what lets rows of very different length share one pass over the weights.

The models of mlx-lm and mlx-vlm call their library's `scaled_dot_product_attention` with what their cache handed out.
`GroupedCache` hands out lists, one entry a group, which only the function below understands; it takes the library's
place in the model modules.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx

_NAME = "scaled_dot_product_attention"


def grouped(plain: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """`plain`, extended to lists: group by group. queries: [rows, heads, new, dim]."""

    def attention(
        queries: mx.array,
        keys: Any,
        values: Any,
        cache: Any,
        scale: float,
        mask: Any,
        sinks: mx.array | None = None,
    ) -> mx.array:
        if not isinstance(keys, list):
            return plain(queries, keys, values, cache, scale, mask, sinks)
        out, at = [], 0
        for k, v, m in zip(keys, values, mask, strict=True):
            rows = queries[at : at + k.shape[0]]
            out.append(mx.fast.scaled_dot_product_attention(rows, k, v, scale=scale, mask=m, sinks=sinks))
            at += k.shape[0]
        return mx.concatenate(out)

    return attention


def install(package: str) -> None:
    """Puts the grouped form into every model module of a library that is loaded; harmless to repeat."""
    plain = getattr(importlib.import_module(f"{package}.base"), _NAME)
    replacement = grouped(plain)
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}.") and name != f"{package}.base" and getattr(module, _NAME, None) is plain:
            setattr(module, _NAME, replacement)
