"""One file on its way to windows: decoded, searched for speech, cut and turned into spectrograms, a bit at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.media.audio import SAMPLE_RATE, AudioFile, Samples
from workers.transcription.mel import HOP, log_mel
from workers.transcription.vad import FRAME, Detector
from workers.transcription.windows import Cutter, Window

_BLOCK = FRAME * 313  # samples searched for speech at a time: 10 s
_PATIENCE = 12  # blocks: a long silence gives others their turn


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a model hears: frames of a window, and its mel filters [bands, 201]."""

    frames: int
    filters: NDArray[np.float32]
    detector: Callable[[], Detector]

    def mel(self, window: Window) -> NDArray[np.float32]:
        return log_mel(window.samples, self.filters, self.frames)


class Source:
    """Used by one thread at a time. `ended` once there will be no more windows."""

    def __init__(self, file: AudioFile, hearing: Hearing) -> None:
        self._hearing = hearing
        self._blocks = file.blocks()
        self._detector = hearing.detector()
        self._cutter = Cutter(hearing.frames * HOP)
        self._held: Samples = np.zeros(0, np.float32)
        self._windows: deque[Window] = deque()
        self._heard = 0
        self._drained = False

    @property
    def seconds(self) -> float:
        """Decoded so far."""
        return self._heard / SAMPLE_RATE

    @property
    def ended(self) -> bool:
        return self._drained and not self._windows

    def advance(self) -> tuple[Window, NDArray[np.float32]] | None:
        """The next window with its spectrogram; None when there is none, or none yet. Raises InvalidRequest."""
        for _ in range(_PATIENCE):
            if self._windows or self._drained:
                break
            self._read()
        if not self._windows:
            return None
        window = self._windows.popleft()
        return window, self._hearing.mel(window)

    def _read(self) -> None:
        """Decodes and cuts the next ten seconds."""
        pieces, count = [self._held], len(self._held)
        for samples in self._blocks:
            pieces.append(samples)
            count += len(samples)
            self._heard += len(samples)
            if count >= _BLOCK:
                break
        else:
            self._drained = True
        block = np.concatenate(pieces)
        whole = len(block) if self._drained else _BLOCK
        self._held = block[whole:]
        self._windows += self._cutter.push(block[:whole], self._detector.push(block[:whole]))
        if self._drained:
            self._windows += self._cutter.flush()
