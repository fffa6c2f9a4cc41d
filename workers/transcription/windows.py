"""Cuts a stream of samples into the windows that Whisper hears, at silences.

1. A window begins a breath before speech; what is silent before it is dropped.
2. It ends at a pause of `PAUSE`: the next window begins with the next speech.
3. Speech without such a pause is cut inside the longest silence of the window's second half, or else, where it is
   quietest.
Pure: samples and flags in, windows out. Positions are samples from the start of the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.transcription.vad import FRAME, Flags, Samples

RATE = 16000
PAUSE = 62  # frames: 2 s
_BREATH = 6  # frames kept before and after speech: 0.2 s
_BLIP = 3  # frames; shorter sounds are no speech
_REST = 47  # frames of speech that are worth another window: 1.5 s


@dataclass(frozen=True, slots=True)
class Window:
    """`speech` has a flag for each frame of `samples`."""

    start: int
    samples: Samples
    speech: Flags

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def rest(self, seconds: float) -> Window | None:
        """What was left unheard behind so many seconds, if it holds enough speech."""
        frame = int(seconds * RATE) // FRAME
        if frame * FRAME < RATE or int(self.speech[frame:].sum()) < _REST:
            return None
        return Window(self.start + frame * FRAME, self.samples[frame * FRAME :], self.speech[frame:])


class Cutter:
    """Holds at most a window and what was pushed last."""

    def __init__(self, samples: int) -> None:
        self._limit = samples // FRAME  # frames in a window
        self._base = 0  # position of the buffer's first sample
        self._samples: Samples = np.zeros(0, np.float32)
        self._speech: Flags = np.zeros(0, np.bool_)

    def push(self, samples: Samples, speech: Flags) -> list[Window]:
        """`samples` are whole frames, except in the file's last push."""
        self._samples = np.concatenate([self._samples, samples])
        self._speech = np.concatenate([self._speech, speech])
        return self._cut(final=False)

    def flush(self) -> list[Window]:
        return self._cut(final=True)

    def _cut(self, final: bool) -> list[Window]:
        windows = []
        while span := self._next(final):
            start, end = span
            windows.append(self._window(start, end))
            self._drop(end)
        return windows

    def _next(self, final: bool) -> tuple[int, int] | None:
        """The next window in frames of the buffer; None while it can't be told or there is no more speech."""
        runs = _runs(self._speech, final)
        if not runs:
            self._drop(len(self._speech) - _BREATH - _BLIP)
            return None
        start = max(0, runs[0][0] - _BREATH)
        end = runs[0][1]
        for begin, finish in runs[1:]:
            if begin - end >= PAUSE:
                break
            end = finish
        else:
            if not final and len(self._speech) - end < PAUSE and len(self._speech) - start < self._limit:
                self._drop(start)
                return None
        goes_on = not final and end == len(self._speech)
        end = min(end + _BREATH, len(self._speech))
        if goes_on or end - start > self._limit:
            end = self._split(start)
        return start, end

    def _split(self, start: int) -> int:
        """Where to cut speech that is longer than a window, in frames."""
        low, high = start + self._limit // 2, start + self._limit
        silences = _runs(~self._speech[low:high], final=True)
        if silences:
            begin, end = max(silences, key=lambda run: run[1] - run[0])
            return low + (begin + end) // 2
        low = start + self._limit * 2 // 3
        part = self._samples[low * FRAME : high * FRAME]
        part = part[: len(part) // FRAME * FRAME].reshape(-1, FRAME)
        return low + 1 + int(np.square(part).mean(axis=1).argmin())

    def _window(self, start: int, end: int) -> Window:
        samples = self._samples[start * FRAME : end * FRAME].copy()
        return Window(self._base + start * FRAME, samples, self._speech[start:end].copy())

    def _drop(self, frames: int) -> None:
        if frames > 0:
            self._base += frames * FRAME
            self._samples = self._samples[frames * FRAME :]
            self._speech = self._speech[frames:]


def _runs(flags: Flags, final: bool) -> list[tuple[int, int]]:
    """Stretches of at least `_BLIP` set frames; one that touches an end that is not final may still grow."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    pairs = edges.reshape(-1, 2).tolist()
    return [(a, b) for a, b in pairs if b - a >= _BLIP or (not final and b == len(flags))]
