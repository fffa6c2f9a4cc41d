"""Encoded images by content, so that a picture that is asked about again is not encoded again. Bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict

import mlx.core as mx


class FeatureCache:
    """The embeddings that stand for a medium's tokens, [tokens, dim], by its key; least recently used goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._found: OrderedDict[str, mx.array] = OrderedDict()
        self.nbytes = 0

    def get(self, key: str) -> mx.array | None:
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
        return found

    def put(self, key: str, features: mx.array) -> None:
        if key in self._found or features.nbytes > self._max_bytes:
            return
        self._found[key] = features
        self.nbytes += features.nbytes
        while self.nbytes > self._max_bytes:
            _, oldest = self._found.popitem(last=False)
            self.nbytes -= oldest.nbytes

    def clear(self) -> None:
        self._found.clear()
        self.nbytes = 0
