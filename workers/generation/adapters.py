"""Modules of the libraries that take one row for granted, taught to take several at their own positions.

Each replaces one method of one class; with a single row, or with the library's own caches, nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import mlx.core as mx

_Call = Callable[..., mx.array]


def adapt(model: Any) -> None:
    """Adapts the classes of a model's modules; harmless to repeat."""
    for kind in {type(module) for module in model.modules()}:
        adapter = _ADAPTERS.get(f"{kind.__module__}.{kind.__name__}")
        if adapter is not None and not hasattr(kind.__call__, "adapted"):
            call = wraps(kind.__call__)(adapter(kind.__call__))
            call.adapted = True  # type: ignore[attr-defined]
            kind.__call__ = call


def _grouped_heads(plain: _Call) -> _Call:
    """Scores are [rows, KV heads, repeats, new, columns]: a mask by row [rows, 1, new, columns] needs one axis more."""

    def call(self: Any, x: mx.array, mask: Any = None, cache: Any = None) -> mx.array:
        if isinstance(mask, mx.array) and mask.ndim == 4 and self.repeats > 1:
            mask = mask[:, :, None]
        return plain(self, x, mask, cache)

    return call


def _reused_keys(plain: _Call) -> _Call:
    """Positions from the number of keys would count a row's unused columns; its mask tells them apart."""

    def call(self: Any, x: mx.array, keys: mx.array, values: mx.array, mask: Any = None) -> mx.array:
        if not isinstance(mask, mx.array) or mask.ndim != 4:
            return plain(self, x, keys, values, mask)
        rope, first = self.rope, mask[:, 0, 0].sum(axis=-1) - 1
        self.rope = lambda queries, offset: rope(queries, offset=first)
        try:
            return plain(self, x, keys, values, mask)
        finally:
            self.rope = rope

    return call


def _dynamic_base(plain: _Call) -> _Call:
    """The base follows from a row's length, once that is past what the model was trained for."""

    def call(self: Any, x: mx.array, offset: Any = 0) -> mx.array:
        if not isinstance(offset, mx.array) or not offset.ndim:
            return plain(self, x, offset)
        offsets: Any = offset.tolist()
        if max(offsets) + x.shape[-2] <= self.max_position_embeddings:
            return mx.fast.rope(x, self.dims, traditional=self.traditional, base=self.base, scale=1.0, offset=offset)
        return mx.concatenate([plain(self, x[row : row + 1], at) for row, at in enumerate(offsets)])

    return call


def _scale_by_row(plain: _Call) -> _Call:
    """Queries grow with their position past the trained length; the library takes the first row's for all.

    `attn_scale` is [new, 1] there, here [rows, 1, new, 1].
    """

    def call(self: Any, x: mx.array, attn_scale: mx.array, mask: Any = None, cache: Any = None) -> mx.array:
        offset = getattr(cache, "offset", None)
        if isinstance(offset, mx.array) and offset.ndim:
            rope = self.config.rope_parameters
            turns = mx.floor((offset[:, None] + mx.arange(x.shape[1])) / rope["original_max_position_embeddings"])
            scale = 1 + rope["llama_4_scaling_beta"] * mx.log(1 + turns)
            attn_scale = scale[:, None, :, None].astype(x.dtype)
        return plain(self, x, attn_scale, mask, cache)

    return call


_ADAPTERS: dict[str, Callable[[_Call], _Call]] = {
    "mlx_lm.models.gemma2.Attention": _grouped_heads,
    "mlx_lm.models.afm7.KVReuseAttention": _reused_keys,
    "mlx_lm.models.rope_utils.DynamicNTKScalingRoPE": _dynamic_base,
    "mlx_vlm.models.mistral3.language.TransformerBlock": _scale_by_row,
    "mlx_vlm.models.mistral4.language.Mistral4Attention": _scale_by_row,
    "mlx_lm.models.internlm2.DynamicNTKScalingRoPE": _dynamic_base,
    "mlx_lm.models.internlm3.DynamicNTKScalingRoPE": _dynamic_base,
}
