"""Where somebody speaks, a frame of 32 ms at a time.

Two detectors: Silero's network where its folder is at hand, else loudness over the noise. Both run on a preprocessing
thread, so Silero is computed with numpy: streams of MLX are bound to threads.
The loudness detector rather takes noise for speech than speech for noise: Whisper still tells silence by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError

Samples = NDArray[np.float32]
Flags = NDArray[np.bool_]
Weights = Mapping[str, NDArray[np.float32]]

FRAME = 512  # samples

_BAND = slice(7, 122)  # bins of 31.25 Hz: 220 to 3800 Hz
_QUIET = -60.0  # dB of full scale; what is below is never speech
_LOUD = -40.0  # noise louder than that is left to Whisper
_OVER = 6.0  # dB of speech over the noise
_HISTORY = 32 * 30  # frames that the noise is estimated from: 30 s


class Detector(Protocol):
    """Follows one file. The last call may bring an incomplete frame, which counts as a frame."""

    def push(self, samples: Samples) -> Flags: ...


class LoudnessDetector:
    """Speech is what stands out of the noise, the quiet tenth of the last half minute."""

    def __init__(self) -> None:
        self._past = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Flags:
        levels = _levels(samples)
        self._past = np.concatenate([self._past, levels])[-_HISTORY:]
        noise = float(np.percentile(self._past, 10)) if len(self._past) else _QUIET
        return np.asarray(levels > max(_QUIET, min(noise, _LOUD) + _OVER))


class SileroDetector:
    """Silero VAD, 16 kHz branch: a short Fourier transform as convolution, four convolutions, an LSTM over frames."""

    def __init__(self, weights: Weights, threshold: float = 0.5) -> None:
        self._weights = weights
        self._threshold = threshold
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = self._cell = np.zeros(128, np.float32)
        self._speaking = False

    def push(self, samples: Samples) -> Flags:
        flags = np.zeros(-(-len(samples) // FRAME), np.bool_)
        for index, probability in enumerate(self.probabilities(samples)):
            limit = self._threshold - 0.15 if self._speaking else self._threshold  # Silero's own hysteresis
            flags[index] = self._speaking = bool(probability >= limit)
        return flags

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Of speech, a frame."""
        frames = _frames(samples)
        if not len(frames):
            return np.zeros(0, np.float32)
        before = np.concatenate([self._context[None], frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:]
        features = self._features(np.concatenate([before, frames], axis=1))
        hidden = self._lstm(features)
        w = self._weights
        scores = np.maximum(hidden, 0) @ w["final_conv.weight"][0, 0] + w["final_conv.bias"][0]
        return np.asarray(_sigmoid(scores).mean(axis=1), np.float32)

    def _features(self, windows: Samples) -> NDArray[np.float32]:
        """[frames, steps, 128] of [frames, 576] samples."""
        w = self._weights
        padded = np.concatenate([windows, windows[:, -2 : -_PAD - 2 : -1]], axis=1)[..., None]
        x = _convolve(padded, w["stft_conv.weight"], None, stride=128, pad=0)
        bins = x.shape[-1] // 2
        x = np.sqrt(x[..., :bins] ** 2 + x[..., bins:] ** 2)
        for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            x = np.maximum(_convolve(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, pad=1), 0)
        return x

    def _lstm(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        w = self._weights
        inputs = x.reshape(-1, x.shape[-1]) @ w["lstm.Wx"].T + w["lstm.bias"]
        recurrent = np.ascontiguousarray(w["lstm.Wh"].T)
        outputs = np.empty((len(inputs), 128), np.float32)
        for index, row in enumerate(inputs):
            i, f, g, o = np.split(row + self._hidden @ recurrent, 4)
            self._cell = _sigmoid(f) * self._cell + _sigmoid(i) * np.tanh(g)
            self._hidden = outputs[index] = _sigmoid(o) * np.tanh(self._cell)
        return outputs.reshape(*x.shape[:2], -1)


_CONTEXT = 64  # samples of the frame before
_PAD = 64  # reflected samples at a frame's end
_BRANCH = "vad_16k."
_SHAPES = {
    "stft_conv.weight": (258, 256, 1),
    "conv1.weight": (128, 3, 129),
    "conv1.bias": (128,),
    "conv2.weight": (64, 3, 128),
    "conv2.bias": (64,),
    "conv3.weight": (64, 3, 64),
    "conv3.bias": (64,),
    "conv4.weight": (128, 3, 64),
    "conv4.bias": (128,),
    "lstm.Wx": (512, 128),
    "lstm.Wh": (512, 128),
    "lstm.bias": (512,),
    "final_conv.weight": (1, 1, 128),
    "final_conv.bias": (1,),
}


def find_silero(model: Path) -> Path | None:
    """A folder `silero-vad` inside the model's folder, or the hub's local copy. Never asks the network."""
    beside = model / "silero-vad"
    if (beside / "config.json").is_file():
        return beside
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache("mlx-community/silero-vad", "config.json")
    folder = Path(cached).parent if isinstance(cached, str) else None
    return folder if folder is not None and any(folder.glob("*.safetensors")) else None


def load_silero(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of the 16 kHz branch. Runs on the engine thread. Raises ConfigError for a folder that lacks one."""
    import mlx.core as mx

    found: dict[str, NDArray[np.float32]] = {}
    try:
        for file in sorted(folder.glob("*.safetensors")):
            arrays: Any = mx.load(str(file))
            for name, array in arrays.items():
                if name.startswith(_BRANCH):
                    found[name.removeprefix(_BRANCH)] = np.array(array.astype(mx.float32))
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{folder} can't be read: {error}") from error
    for name, shape in _SHAPES.items():
        if name not in found or found[name].shape != shape:
            stands = f"of the shape {found[name].shape}" if name in found else "missing"
            raise ConfigError(f"{folder} holds no Silero VAD in mlx-audio's layout: {_BRANCH}{name} is {stands}")
    return found


def _frames(samples: Samples) -> Samples:
    """[frames, FRAME], the last one filled up with silence."""
    return np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)


def _levels(samples: Samples) -> NDArray[np.float32]:
    """dB of full scale in the band of voices, a frame."""
    spectrum = np.fft.rfft(_frames(samples) * np.hanning(FRAME).astype(np.float32), axis=-1)[:, _BAND]
    power = (np.abs(spectrum) ** 2).sum(axis=-1) * (16 / 3) / FRAME**2  # of a full-scale sine: 0 dB
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)), np.float32)


def _convolve(
    x: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32] | None, stride: int, pad: int
) -> NDArray[np.float32]:
    """[batch, length, in] by [out, width, in]."""
    x = np.pad(x, ((0, 0), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[1], axis=1)[:, ::stride]
    result = np.tensordot(windows, weight, axes=([2, 3], [2, 1]))
    return np.asarray(result if bias is None else result + bias, np.float32)


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)
