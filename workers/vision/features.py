"""Encoded images by content, so that a picture that is asked about again is not encoded again. Bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import mlx.core as mx

Features = tuple[mx.array, ...]
"""What stands for a medium's tokens, each [tokens, dim]: embeddings, then deepstack's layers if the family has them."""


class FeatureCache:
    """Features by the medium's key; the least recently used go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._found: OrderedDict[str, Features] = OrderedDict()
        self.nbytes = 0

    def get(self, key: str) -> Features | None:
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
        return found

    def put(self, key: str, features: Sequence[mx.array]) -> None:
        """Keeps copies: a view would hold the whole prompt's embeddings in memory."""
        size = sum(array.nbytes for array in features)
        if key in self._found or size > self._max_bytes:
            return
        copies = tuple(mx.contiguous(array) for array in features)
        mx.async_eval(copies)
        self._found[key] = copies
        self.nbytes += size
        self.shrink(self._max_bytes)

    def shrink(self, most: int) -> None:
        """Lets the least recently used go until at most so many bytes are kept."""
        while self.nbytes > most:
            _, oldest = self._found.popitem(last=False)
            self.nbytes -= sum(array.nbytes for array in oldest)

    def clear(self) -> None:
        self._found.clear()
        self.nbytes = 0
