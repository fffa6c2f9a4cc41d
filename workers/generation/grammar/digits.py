"""An end to endless digits: JSON's numbers have any length, and a weak model writes 3.333... until it is cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST = 20  # digits in a row: those of 2^64


class DigitTokens:
    """Of one vocabulary, as masks have them: which tokens begin with a digit, and one that is a letter.

    `bytes_of` spells a token of `width`.
    """

    def __init__(self, width: int, bytes_of: Callable[[int], bytes]) -> None:
        self.bytes_of = bytes_of
        bits = np.zeros((width + 31) // 32 * 32, dtype=np.uint8)
        self.letter: int | None = None
        for token in range(width):
            spelled = bytes_of(token)
            bits[token] = spelled[:1].isdigit()
            if spelled == b"x":
                self.letter = token
        self.others: np.ndarray = ~np.packbits(bits, bitorder="little").view(np.int32)


class DigitLimit:
    """One row's. Inside a number no letter may follow, so strings, texts and thoughts are left alone."""

    def __init__(self, tokens: DigitTokens) -> None:
        self._tokens = tokens
        self._run = 0

    def take(self, token: int) -> None:
        spelled = self._tokens.bytes_of(token)
        tail = len(spelled) - len(spelled.rstrip(b"0123456789"))
        self._run = self._run + tail if tail == len(spelled) else tail

    def apply(self, mask: np.ndarray) -> None:
        """Rules further digits out, unless nothing else may follow. `mask`: int32 words, a bit a token."""
        letter = self._tokens.letter
        if self._run < MOST or letter is None or mask[letter // 32] >> (letter % 32) & 1:
            return
        left = mask & self._tokens.others
        if left.any():
            mask[:] = left
