"""Which layers of a model are cached how, and a row's state while it is between prefill and batch.

A layer with mlx-lm's plain `KVCache` is kept in our own `RowsCache`; every other cache class (rotating windows,
recurrent states, lists of both) is batched by mlx-lm's own `merge`, `extend`, `filter` and `extract`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache

from workers.generation.kv import KV, TRIM_AFTER, Columns, RowsCache
from workers.generation.prefix_cache import Match, Span


@dataclass(frozen=True, slots=True)
class RowState:
    """A row outside of a batch: its tokens' keys and values, and the caches of the other layers."""

    length: int
    span: Span
    others: list[Any]


class Layers:
    """The plan for one model; `kv_type` is the library's plain cache of keys and values."""

    def __init__(self, make_cache: Callable[[], list[Any]], kv_type: type = KVCache) -> None:
        self._make_cache = make_cache
        self._kv_type = kv_type
        caches = make_cache()
        self.is_kv = [type(cache) is kv_type for cache in caches]
        self.all_kv = all(self.is_kv)
        self.mergeable = all(kv or hasattr(cache, "merge") for kv, cache in zip(self.is_kv, caches, strict=True))

    def single(self, match: Match) -> list[Any]:
        """Caches for prefilling one row that goes on from `match`."""
        caches = self._make_cache()
        if not match.length:
            return caches
        span, others = iter(match.span), iter(copy.deepcopy(match.checkpoint or []))
        return [self._resumed(*next(span)) if kv else next(others) for kv in self.is_kv]

    def fresh(self) -> list[Any]:
        """New caches for one row of the layers that keep no plain keys and values."""
        return [cache for cache, is_kv in zip(self._make_cache(), self.is_kv, strict=True) if not is_kv]

    def state(self, caches: Sequence[Any], length: int) -> RowState:
        """The row that was prefilled in `caches`."""
        kv = [cache for cache, is_kv in zip(caches, self.is_kv, strict=True) if is_kv]
        others = [cache for cache, is_kv in zip(caches, self.is_kv, strict=True) if not is_kv]
        span = [_beginning(cache, length) for cache in kv] if length else []
        return RowState(length, span, others)

    def _resumed(self, keys: mx.array, values: mx.array) -> Any:
        cache: Any = self._kv_type()
        if not keys.shape[1]:
            return cache
        cache.keys, cache.values, cache.offset = keys, values, keys.shape[2]
        return cache


def _beginning(cache: Any, length: int) -> KV:
    """The first tokens' keys and values; of no heads where the model has a cache that it never writes."""
    if cache.keys is None:
        nothing = mx.zeros((1, 0, length, 0))
        return nothing, nothing
    return cache.keys[:, :, :length], cache.values[:, :, :length]


def _extracted(cache: Any, fresh: Any, row: int) -> Any:
    """A row's own cache; of several in one layer (`CacheList`) those that the model has not written stay `fresh`."""
    parts = getattr(cache, "caches", None)
    if parts is None or not any(part.empty() for part in parts):
        return cache.extract(row)
    pairs = zip(parts, fresh.caches, strict=True)
    fresh.caches = type(fresh.caches)([new if part.empty() else part.extract(row) for part, new in pairs])
    return fresh


class Group:
    """Rows of similar length that share one cache a layer.

    `alone`: a single row of a model that can share nothing; it stays in the library's own single-row caches.
    """

    def __init__(self, layers: Layers, alone: bool = False) -> None:
        self._layers = layers
        self.alone = alone
        self.columns = Columns()
        self.caches: list[Any] = [RowsCache(self.columns) if kv else None for kv in layers.is_kv]

    @property
    def rows(self) -> int:
        return self.columns.rows

    @property
    def nbytes(self) -> int:
        return sum(int(cache.nbytes) for cache in self.caches if cache is not None)

    @property
    def other_states(self) -> list[Any]:
        return [cache.state for cache, kv in zip(self.caches, self._layers.is_kv, strict=True) if not kv]

    def join(self, states: Sequence[RowState]) -> None:
        """Appends rows, in order."""
        if self.alone:
            (state,) = states
            self.columns = Columns(state.length, [0])
            self.caches = self._layers.single(Match(state.length, state.span, state.others))
            return
        short = max(state.length for state in states) - self.columns.width
        if short > 0:
            self._shift(short)
        for state in states:
            self._write(state)
        self._join_others(states)
        self.columns.changed()

    def leave(self, gone: Sequence[int]) -> list[int]:
        """Removes rows; returns which old row stands at each place now."""
        order = list(range(self.rows))
        for row in sorted(gone, reverse=True):
            last = order.pop()
            if row < len(order):
                order[row] = last
        for cache, kv in zip(self.caches, self._layers.is_kv, strict=True):
            if not kv:
                if order:
                    cache.filter(order)
                continue
            for place, old in enumerate(order):
                if place != old:
                    cache.move(old, place)
        self.columns.left = [self.columns.left[old] for old in order]
        self.columns.changed()
        self._trim()
        return order

    def read(self, row: int, start: int, end: int) -> Span:
        """Keys and values of a row's tokens [start, end), as views."""
        left = self.columns.left[row]
        kv = [cache for cache, is_kv in zip(self.caches, self._layers.is_kv, strict=True) if is_kv]
        if self.alone:
            return [(cache.keys[:, :, start:end], cache.values[:, :, start:end]) for cache in kv]
        return [cache.read(row, left + start, left + end) for cache in kv]

    def others(self, row: int) -> list[Any]:
        """Copies of a row's caches in the layers that keep no plain keys and values."""
        kept = [cache for cache, is_kv in zip(self.caches, self._layers.is_kv, strict=True) if not is_kv]
        found = copy.deepcopy(kept) if self.alone else list(map(_extracted, kept, self._layers.fresh(), repeat(row)))
        mx.async_eval([cache.state for cache in found])
        return found

    def _write(self, state: RowState) -> None:
        row, span = self.rows, iter(state.span)
        if state.length:
            for cache, kv in zip(self.caches, self._layers.is_kv, strict=True):
                if kv:
                    cache.write(row, next(span), self.columns.width)
        self.columns.left.append(self.columns.width - state.length)

    def _join_others(self, states: Sequence[RowState]) -> None:
        at = 0
        for layer, kv in enumerate(self._layers.is_kv):
            if kv:
                continue
            rows = [state.others[at] for state in states]
            merged = type(rows[0]).merge(rows)
            if self.caches[layer] is None:
                self.caches[layer] = merged
            else:
                self.caches[layer].extend(merged)
            at += 1

    def _shift(self, columns: int) -> None:
        for cache, kv in zip(self.caches, self._layers.is_kv, strict=True):
            if kv:
                cache.shift(columns)
        self.columns.width += columns
        self.columns.left = [left + columns for left in self.columns.left]

    def _trim(self) -> None:
        unused = min(self.columns.left, default=0)
        if unused >= TRIM_AFTER:
            self._shift(-unused)
