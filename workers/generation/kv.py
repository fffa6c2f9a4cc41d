"""The KV cache of a decode batch: rows that join and leave without copying the others.

Layout: keys and values are [capacity, heads, columns, dim]. Rows in use are the first ones; the newest token of every
row sits in the last column in use, so a step writes one column, and a shorter row has unused columns on its left. A row
joins by being written into the next free slot and leaves by having the last row moved into its place. What all layers
share (how many rows, which columns) is kept once, in `Columns`.

Only layers that mlx-lm caches with a plain `KVCache` can live here; any other cache class is batched by its own
`merge`, `extend` and `filter` (see `layers.py`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import mlx.core as mx

COLUMN_STEP = 256
TRIM_AFTER = 512  # unused columns common to all rows before they are worth a copy

KV: TypeAlias = tuple[mx.array, mx.array]
"""Keys and values of one row in one layer, each [1, heads, tokens, dim]."""


class Columns:
    """Which columns each row uses; one object for all layers of a batch."""

    def __init__(self, width: int = 0, left: list[int] | None = None) -> None:
        self.width = width
        self.left: list[int] = left or []
        self._offsets: mx.array | None = None
        self._masks: dict[tuple[int, int | None], mx.array | None] = {}

    @property
    def rows(self) -> int:
        return len(self.left)

    def length(self, row: int) -> int:
        """Tokens of a row."""
        return self.width - self.left[row]

    @property
    def offsets(self) -> mx.array:
        """Position of the next token of each row, [rows]."""
        if self._offsets is None:
            self._offsets = mx.array([self.width - left for left in self.left])
        return self._offsets

    def mask(self, new: int, window: int | None) -> mx.array | None:
        """Which columns each new token may see: bool [rows, 1, new, width + new], or None for all."""
        key = (new, window)
        if key not in self._masks:
            self._masks[key] = self._make_mask(new, window)
        return self._masks[key]

    def _make_mask(self, new: int, window: int | None) -> mx.array | None:
        if new == 1 and not any(self.left) and (window is None or self.width < window):
            return None
        column = mx.arange(self.width + new)[None, None, None, :]
        position = mx.arange(self.width, self.width + new)[None, None, :, None]
        mask = (column <= position) & (column >= mx.array(self.left)[:, None, None, None])
        return mask if window is None else mask & (column > position - window)

    def advance(self, new: int) -> None:
        self.width += new
        self.changed()

    def changed(self) -> None:
        self._offsets = None
        self._masks.clear()


class RowsCache:
    """One layer's keys and values for all rows; what a model sees as its cache."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self._fetched: KV | None = None  # what the newest pass has seen, for layers that share it

    # ------------------------------------------------------------ the model's side
    @property
    def offset(self) -> mx.array:
        return self.columns.offsets

    @property
    def _idx(self) -> int:
        """The column of the next token, under the name by which mlx-vlm asks a batched cache for it."""
        return self.columns.width

    def make_mask(self, N: int, return_array: bool = False, window_size: int | None = None) -> mx.array | None:
        return self.columns.mask(N, window_size)

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> KV:
        rows, start = keys.shape[0], self.columns.width
        end = start + keys.shape[2]
        self._reserve(rows, end, keys, values)
        assert self.keys is not None
        assert self.values is not None
        self.keys[:rows, :, start:end] = keys
        self.values[:rows, :, start:end] = values
        self._fetched = self.keys[:rows, :, :end], self.values[:rows, :, :end]
        return self._fetched

    def keys_and_values(self) -> KV:
        """What this pass has fetched, for a layer that keeps no keys and values of its own."""
        assert self._fetched is not None
        return self._fetched

    @property
    def state(self) -> list[mx.array]:
        return [] if self.keys is None or self.values is None else [self.keys, self.values]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.state)

    def size(self) -> int:
        return self.columns.width

    def empty(self) -> bool:
        return self.keys is None

    # ------------------------------------------------------------ the batch's side
    def write(self, row: int, kv: KV, end: int) -> None:
        """Puts a row's tokens into slot `row` so that they end before column `end`."""
        keys, values = kv
        if not keys.shape[1]:
            return
        start = end - keys.shape[2]
        self._reserve(row + 1, end, keys, values)
        assert self.keys is not None
        assert self.values is not None
        self.keys[row : row + 1, :, start:end] = keys
        self.values[row : row + 1, :, start:end] = values

    def read(self, row: int, start: int, end: int) -> KV:
        """A row's columns [start, end), as views; of no heads where the model never writes this cache."""
        if self.keys is None or self.values is None:
            nothing = mx.zeros((1, 0, end - start, 0))
            return nothing, nothing
        return self.keys[row : row + 1, :, start:end], self.values[row : row + 1, :, start:end]

    def move(self, source: int, target: int) -> None:
        if self.keys is not None and self.values is not None and source < self.keys.shape[0]:  # else it is empty yet
            self.keys[target : target + 1] = self.keys[source : source + 1]
            self.values[target : target + 1] = self.values[source : source + 1]

    def shift(self, columns: int) -> None:
        """Makes room on the left (positive) or drops unused columns there (negative)."""
        if self.keys is None or self.values is None:
            return
        if columns > 0:
            pad = [(0, 0), (0, 0), (columns, 0), (0, 0)]
            self.keys, self.values = mx.pad(self.keys, pad), mx.pad(self.values, pad)
        else:
            self.keys = mx.contiguous(self.keys[:, :, -columns:])
            self.values = mx.contiguous(self.values[:, :, -columns:])

    def _reserve(self, rows: int, columns: int, keys: mx.array, values: mx.array) -> None:
        capacity, width = (0, 0) if self.keys is None else (self.keys.shape[0], self.keys.shape[2])
        if rows <= capacity and columns <= width:
            return
        if rows > capacity:
            capacity = max(rows, 2 * capacity)
        if columns > width:
            width = -(-columns // COLUMN_STEP) * COLUMN_STEP
        self.keys = _grown(self.keys, capacity, width, keys)
        self.values = _grown(self.values, capacity, width, values)


def _grown(old: mx.array | None, capacity: int, width: int, like: mx.array) -> mx.array:
    if old is None:
        return mx.zeros((capacity, like.shape[1], width, like.shape[3]), dtype=like.dtype)
    pad = [(0, capacity - old.shape[0]), (0, 0), (0, width - old.shape[2]), (0, 0)]
    return mx.pad(old, pad)


class GroupedCache:
    """Several groups of rows, each of similar length, seen by the model as one batch (one pass over the weights).

    Attention then runs group by group: `update_and_fetch` hands lists on, which `grouped_attention` understands.
    """

    def __init__(self, groups: list[RowsCache]) -> None:
        self.groups = groups

    @property
    def offset(self) -> mx.array:
        return mx.concatenate([group.offset for group in self.groups])

    @property
    def _idx(self) -> int:
        return max(group.columns.width for group in self.groups)

    def make_mask(self, N: int, return_array: bool = False, window_size: int | None = None) -> list[Any]:
        return [group.make_mask(N, return_array, window_size) for group in self.groups]

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[list[mx.array], list[mx.array]]:
        fetched, at = [], 0
        for group in self.groups:
            rows = group.columns.rows
            fetched.append(group.update_and_fetch(keys[at : at + rows], values[at : at + rows]))
            at += rows
        return [kv[0] for kv in fetched], [kv[1] for kv in fetched]

    def keys_and_values(self) -> tuple[list[mx.array], list[mx.array]]:
        fetched = [group.keys_and_values() for group in self.groups]
        return [kv[0] for kv in fetched], [kv[1] for kv in fetched]
