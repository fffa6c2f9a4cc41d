"""Whisper's log-mel spectrogram in numpy, so that it is made off the engine thread.

Reference: openai/whisper, whisper/audio.py. Silence up to the window's end is padded as sound is, sample by sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_FFT = 400
HOP = 160  # samples a frame: 10 ms
_FLOOR = 1e-10
_RANGE = 8.0  # powers of ten below the loudest bin
_WINDOW = np.hanning(_FFT + 1)[:-1].astype(np.float32)


def log_mel(samples: Samples, filters: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """[frames, bands] of up to `frames * HOP` samples; `filters` is [bands, 201]."""
    content = min(frames, -(-(len(samples) + _FFT // 2) // HOP))  # what lies behind is silence
    padded = np.zeros((content - 1) * HOP + _FFT, np.float32)
    body = samples[: len(padded) - _FFT // 2]
    padded[_FFT // 2 : _FFT // 2 + len(body)] = body
    padded[: _FFT // 2] = padded[_FFT // 2 + 1 : _FFT + 1][::-1]  # reflected, as torch.stft centres its frames
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::HOP]
    power = np.abs(np.fft.rfft(pieces * _WINDOW, axis=-1)) ** 2
    mel = np.full((frames, len(filters)), _FLOOR, np.float32)
    mel[:content] = np.maximum(power @ filters.T, _FLOOR)
    log = np.log10(mel)
    return np.asarray((np.maximum(log, log.max() - _RANGE) + 4.0) / 4.0, np.float32)
