"""How a family of mlx-vlm takes the positions of tokens: found out by trying the layouts on a few."""

from __future__ import annotations

from enum import Enum
from typing import Any

import mlx.core as mx
from mlx_vlm.models.cache import make_prompt_cache


class Layout(Enum):
    """The shape of `position_ids`; the value is the tokens' axis, None where the family keeps positions itself."""

    AXES_ROWS_TOKENS = 2  # [3, rows, tokens]: Qwen's and GLM's M-RoPE
    ROWS_TOKENS = 1  # [rows, tokens]
    ROWS_TOKENS_AXES = -2  # [rows, tokens, 3]
    NONE = None

    def spread(self, positions: mx.array) -> mx.array:
        """One position a token [rows, tokens] in this layout, alike on all axes."""
        if self is Layout.AXES_ROWS_TOKENS:
            return mx.broadcast_to(positions, (3, *positions.shape))
        if self is Layout.ROWS_TOKENS_AXES:
            return mx.broadcast_to(positions[..., None], (*positions.shape, 3))
        return positions

    def cut(self, positions: mx.array, start: int, end: int) -> mx.array:
        """The tokens [start, end) of positions in this layout."""
        return positions[:, start:end] if self is not Layout.AXES_ROWS_TOKENS else positions[..., start:end]


_TRIED = (Layout.AXES_ROWS_TOKENS, Layout.ROWS_TOKENS_AXES, Layout.ROWS_TOKENS)
_TOLERANCE = 0.05  # of the logits' spread: rounding


def layout_of(language: Any) -> Layout:
    """Of a family's language model; NONE where it has no `get_rope_index` or takes no known shape.

    What `get_rope_index` answers for text alone need not be what it answers for pictures: Qwen's have three axes then.
    So the layouts are tried, the usual one first: the right one gives what the family gives when it is handed none.
    """
    if not hasattr(language, "get_rope_index"):
        return Layout.NONE
    for name in ("_position_ids", "_rope_deltas"):  # of the last prompt, which the family would go on with
        if hasattr(language, name):
            setattr(language, name, None)
    own = _logits(language, None)
    return next((layout for layout in _TRIED if _alike(_logits(language, layout), own)), Layout.NONE)


def _logits(language: Any, layout: Layout | None) -> mx.array | None:
    """Of a prompt of a few tokens and then one token, each [1, tokens, vocabulary] in one; None where it fails."""
    caches = make_prompt_cache(language)
    found = []
    try:
        for start, ids in ((0, mx.array([[0, 1, 2, 3, 4]])), (5, mx.array([[5]]))):
            positions = mx.arange(start, start + ids.shape[1])[None]
            given = {} if layout is None else {"position_ids": layout.spread(positions)}
            found.append(language(ids, cache=caches, **given).logits)
        logits = mx.concatenate(found, axis=1).astype(mx.float32)
        mx.eval(logits)
    except Exception:
        # The family's own code, given a shape that it may not know.
        return None
    return logits


def _alike(found: mx.array | None, own: mx.array | None) -> bool:
    """Where the family gives nothing by itself, whatever it gives with positions will do."""
    if found is None or own is None:
        return found is not None
    if found.shape != own.shape:
        return False
    distance: Any = (mx.abs(found - own).mean() / (mx.std(own) + 1e-6)).item()
    return bool(distance < _TOLERANCE)
