"""Where decoded sound lies on its file's clock: silence for what a file says was silent.

A track may begin after the others, and a recorder may leave out packets while nobody speaks (RFC 7587, DTX). What is a
matter of rounding, of an encoder's delay or of a broken clock inserts nothing; what lies before the file's beginning
is not heard (RFC 3533: a stream cut out of another keeps whole pages).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_JITTER = 0.1  # seconds that time stamps may be off without meaning silence
_BACKWARDS = 1.0  # seconds; a jump back by more is another clock, not jitter
_PREROLL = 10.0  # seconds before the beginning that a cut may keep
LONGEST = 6 * 3600.0  # seconds of silence in a file; what says more has a broken clock


class Clock:
    """`start`: the moment, in seconds, that is the file's beginning. `end`: where the sound so far ends, from there."""

    def __init__(self, start: float) -> None:
        self._shift = -start  # from time stamps to seconds of output
        self._silent = 0.0
        self._began = False
        self._stamped = 0.0  # as the stamps say it
        self.end = 0.0

    @property
    def told(self) -> float:
        """`end` by the time stamps, which don't add up the rounding of the pieces' lengths."""
        return max(0.0, self._stamped if abs(self._stamped - self.end) <= _JITTER else self.end)

    def place(self, stamp: float | None, seconds: float) -> float | None:
        """The seconds of silence in front of a piece of `seconds` stamped `stamp`; None: the piece is not heard."""
        gap = 0.0 if stamp is None else stamp + self._shift - self.end
        if not self._began and -_PREROLL < gap < 0:
            if gap + seconds <= 0:
                return None
            self.end, gap = gap, 0.0  # what an encoder's delay puts in front counts as no time
        elif gap < -_BACKWARDS or gap > LONGEST - self._silent:
            self._shift -= gap
            gap = 0.0
        self._began = True
        silence = gap if gap > _JITTER else 0.0
        self._silent += silence
        self.end += silence + seconds
        self._stamped = self.end if stamp is None else stamp + self._shift + seconds
        return silence


def silence(seconds: float, rate: int) -> Iterator[NDArray[np.float32]]:
    """At most a second at a time."""
    count = round(seconds * rate)
    for start in range(0, count, rate):
        yield np.zeros(min(rate, count - start), np.float32)
