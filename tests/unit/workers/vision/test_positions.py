from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import pytest

from workers.vision.positions import Layout, layout_of

ROWS = mx.array([[4, 5, 6], [0, 1, 2]])


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout.AXES_ROWS_TOKENS, (3, 2, 3)),
        (Layout.ROWS_TOKENS, (2, 3)),
        (Layout.ROWS_TOKENS_AXES, (2, 3, 3)),
    ],
)
def test_one_position_a_token_is_spread_and_cut_along_the_tokens(layout: Layout, shape: tuple[int, ...]) -> None:
    spread = layout.spread(ROWS)
    assert spread.shape == shape
    assert set(spread.reshape(-1).tolist()) == {0, 1, 2, 4, 5, 6}
    assert layout.cut(spread, 1, 3).tolist() == layout.spread(ROWS[:, 1:3]).tolist()


class Language:
    """Logits are cosines of the positions that it works out or is handed, [rows, tokens, 1]."""

    layers = ()

    def __init__(self, axes: int | None, first: int = 0) -> None:
        """Takes positions whose `axes`-th axis has three entries, of which it uses only this one; None: no axes."""
        self._axes = axes
        self._first = first
        self._next = 0
        self._position_ids: mx.array | None = None

    def make_cache(self) -> list[Any]:
        self._next = 0
        return []

    def get_rope_index(self, ids: mx.array, attention_mask: mx.array) -> Any:
        raise NotImplementedError

    def __call__(self, ids: mx.array, cache: list[Any], position_ids: mx.array | None = None) -> Any:
        if position_ids is None:
            given = mx.arange(self._next, self._next + ids.shape[1])[None]
            self._next += ids.shape[1]
            if self._position_ids is not None:
                given = self._position_ids[:, : ids.shape[1]]
        elif self._axes is None:
            if position_ids.ndim != 2:
                raise ValueError("rope: positions must have two dimensions")
            given = position_ids
        else:
            if position_ids.ndim != 3 or position_ids.shape[self._axes] != 3:
                raise ValueError("rope: positions must have three axes")
            given = mx.take(position_ids, mx.array(0), axis=self._axes)
        return SimpleNamespace(logits=mx.cos((given + self._first).astype(mx.float32))[..., None])


@pytest.mark.parametrize(
    ("axes", "layout"),
    [(0, Layout.AXES_ROWS_TOKENS), (None, Layout.ROWS_TOKENS), (2, Layout.ROWS_TOKENS_AXES)],
)
def test_the_layout_that_a_family_takes_is_found(axes: int | None, layout: Layout) -> None:
    assert layout_of(Language(axes)) is layout


def test_a_layout_that_is_taken_but_gives_something_else_is_not_used() -> None:
    class Lenient(Language):
        """Makes something of what it should not take."""

        def __call__(self, ids: mx.array, cache: list[Any], position_ids: mx.array | None = None) -> Any:
            if position_ids is not None and position_ids.ndim == 3:
                return SimpleNamespace(logits=mx.cos(position_ids.astype(mx.float32).sum(axis=-1, keepdims=True)))
            return super().__call__(ids, cache, position_ids)

    assert layout_of(Lenient(None)) is Layout.ROWS_TOKENS


def test_positions_of_the_last_prompt_do_not_decide() -> None:
    language = Language(0)
    language._position_ids = mx.array([[70, 71, 72, 73, 74]])
    assert layout_of(language) is Layout.AXES_ROWS_TOKENS


def test_a_family_without_positions_or_with_unknown_ones_keeps_them_itself() -> None:
    assert layout_of(SimpleNamespace()) is Layout.NONE
    assert layout_of(Language(1)) is Layout.NONE
