"""What a model with M-RoPE sees of a batch's cache."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from workers.generation.kv import GroupedCache, RowsCache


class Timeline:
    """A batch's cache whose offset is the number of its columns, the same for all rows.

    A model that is told every position needs the offset only to cut its mask. Some cut at the longest row: too early
    when a longer one has left, and they ask the device for it, which stops the host in every layer of every step.
    """

    def __init__(self, cache: RowsCache | GroupedCache) -> None:
        self._cache = cache
        self.offset = cache._idx

    def make_mask(self, N: int, return_array: bool = False, window_size: int | None = None) -> Any:
        return self._cache.make_mask(N, return_array, window_size)

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Any:
        return self._cache.update_and_fetch(keys, values)


def timelines(caches: list[Any]) -> list[Any]:
    """The caches of all layers; a library's own stay as they are."""
    return [Timeline(cache) if isinstance(cache, RowsCache | GroupedCache) else cache for cache in caches]
