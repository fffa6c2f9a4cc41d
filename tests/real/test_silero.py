"""Silero as it was converted and as the worker computes it, against its publisher's network written out in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from scripts.real_weights.catalogue import MODELS, read_catalogue
from workers.media.audio import AudioFile
from workers.transcription.vad import FRAME, SileroDetector, load_silero

FOLDER = MODELS / "silero-vad"
SOURCE = read_catalogue()["silero-vad"].unpacked / "silero_vad" / "data" / "silero_vad_16k.safetensors"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir() or not SOURCE.is_file(), reason="no build/real/models/silero-vad")
Array = NDArray[np.float32]
CONTEXT = 64  # samples of the frame before


def convolved(x: Array, weight: Array, bias: Array | None, stride: int, pad: int) -> Array:
    """[in, length] by PyTorch's [out, in, width]."""
    x = np.pad(x, ((0, 0), (pad, pad)))
    width = weight.shape[2]
    starts = range(0, x.shape[1] - width + 1, stride)
    out = np.stack([np.einsum("ik,oik->o", x[:, at : at + width], weight) for at in starts], axis=1)
    return out if bias is None else out + bias[:, None]


def probabilities(samples: Array, w: dict[str, Array]) -> list[float]:
    """As silero_vad/tinygrad_model.py computes them, one frame after another."""
    hidden = cell = np.zeros(128, np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), np.pad(samples, (0, -len(samples) % FRAME))])
    found = []
    for at in range(CONTEXT, len(padded), FRAME):
        x = np.pad(padded[at - CONTEXT : at + FRAME], (0, 64), mode="reflect")[None]
        x = convolved(x, w["stft_conv.weight"], None, 128, 0)
        x = np.sqrt(x[:129] ** 2 + x[129:] ** 2)
        for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            x = np.maximum(convolved(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, 1), 0)
        gates = w["lstm_cell.weight_ih"] @ x[:, 0] + w["lstm_cell.bias_ih"]
        gates = gates + w["lstm_cell.weight_hh"] @ hidden + w["lstm_cell.bias_hh"]
        i, f, g, o = np.split(gates, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        score = w["final_conv.weight"][0, :, 0] @ np.maximum(hidden, 0) + w["final_conv.bias"][0]
        found.append(float(sigmoid(score)))
    return found


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


@pytest.mark.parametrize("clip", ["clips/en/quick_brown_fox.wav", "clips/zh/pangrama.wav"])
def test_the_worker_computes_the_publishers_network(clip: str) -> None:
    samples = np.concatenate(list(AudioFile((MODELS / clip).read_bytes()).blocks()))
    expected = probabilities(samples, load_file(SOURCE))
    ours = SileroDetector(load_silero(FOLDER)).probabilities(samples)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert max(expected) > 0.9
    assert min(expected) < 0.1


def test_mlx_audio_loads_the_same_folder() -> None:
    from mlx_audio.vad import load

    weights = load_silero(FOLDER)
    for name, array in load(Path(FOLDER)).vad_16k.parameters()["lstm"].items():
        np.testing.assert_array_equal(weights[f"lstm.{name}"], np.array(array))
