"""How a family of mlx-vlm takes the positions of tokens: found out by asking it for those of a few."""

from __future__ import annotations

from enum import Enum
from typing import Any

import mlx.core as mx


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


def layout_of(language: Any) -> Layout:
    """Of a family's language model; NONE where it has no `get_rope_index` or answers in no known shape."""
    if not hasattr(language, "get_rope_index"):
        return Layout.NONE
    ids = mx.array([[0, 1, 2, 3, 4]])
    positions, _ = language.get_rope_index(ids, attention_mask=mx.ones_like(ids))
    known = {
        (3, 1, 5): Layout.AXES_ROWS_TOKENS,
        (1, 1, 5): Layout.AXES_ROWS_TOKENS,
        (1, 5): Layout.ROWS_TOKENS,
        (1, 5, 3): Layout.ROWS_TOKENS_AXES,
    }
    return known.get(positions.shape, Layout.NONE)
