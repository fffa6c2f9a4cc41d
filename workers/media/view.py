"""The bytes of an upload as a file object, without a copy of them."""

from __future__ import annotations

import io
from collections.abc import Mapping


class View:
    """Reads `data`; `patches` are bytes that stand in the place of its own, by their offsets."""

    def __init__(self, data: memoryview, patches: Mapping[int, bytes]) -> None:
        self._data = data
        self._patches = patches
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        start, end = self._at, len(self._data) if size < 0 else min(self._at + size, len(self._data))
        self._at = end
        piece = bytes(self._data[start:end])
        for at, patch in self._patches.items():
            first, last = max(at, start), min(at + len(patch), end)
            if first < last:
                piece = piece[: first - start] + patch[first - at : last - at] + piece[last - start :]
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, min(base + offset, len(self._data)))
        return self._at

    def tell(self) -> int:
        return self._at
