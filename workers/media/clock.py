"""Where decoded sound lies on its file's clock: silence for what a file says was silent.

A track may begin after the others, and a recorder may leave out packets while nobody speaks (RFC 7587, DTX). What is a
matter of rounding, of an encoder's delay or of a broken clock inserts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_JITTER = 0.1  # seconds that time stamps may be off without meaning silence
_BACKWARDS = 1.0  # seconds; a jump back by more is another clock, not jitter
LONGEST = 6 * 3600.0  # seconds of silence in a file; what says more has a broken clock


class Clock:
    """`start`: the moment, in seconds, that is the file's beginning."""

    def __init__(self, start: float, rate: int) -> None:
        self._shift = -start  # from time stamps to seconds of output
        self._rate = rate
        self._at = 0.0  # seconds that came so far, silence among them
        self._silent = 0.0

    def before(self, stamp: float | None, seconds: float) -> Iterator[NDArray[np.float32]]:
        """The silence in front of a piece of `seconds` stamped `stamp` seconds, at most a second at a time."""
        gap = 0.0 if stamp is None else stamp + self._shift - self._at
        if gap < -_BACKWARDS or gap > LONGEST - self._silent:
            self._shift -= gap
        elif gap > _JITTER:
            yield from self._silence(gap)
        self._at += seconds

    def _silence(self, gap: float) -> Iterator[NDArray[np.float32]]:
        first, last = round(self._at * self._rate), round((self._at + gap) * self._rate)
        self._at += gap
        self._silent += gap
        for start in range(first, last, self._rate):
            yield np.zeros(min(self._rate, last - start), np.float32)
