"""Converted folders against GGUF's own layout: logits of mlx-lm and of a forward pass in numpy; 4 bits bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from scripts.real_weights.catalogue import MODELS
from tests.real.library import library

Find = Callable[[str], Path]


@pytest.mark.parametrize("model", ["smollm2", "gemma3"])
def test_logits_are_those_of_a_forward_pass_in_numpy(
    model: str, reference: Find, figure: Callable[[str, str], None]
) -> None:
    expected = np.load(reference(f"numpy-{model}.npz"))
    worst, longest = 0.0, 0
    with library(MODELS / model) as loaded:
        for index in range(len(expected.files) // 2):
            ids, logits = expected[f"ids{index}"].tolist(), expected[f"logits{index}"]
            ours = loaded.logits(ids, len(logits))
            assert (ours.argmax(-1) == logits.argmax(-1)).all()
            worst, longest = max(worst, float(np.abs(ours - logits).max())), max(longest, len(ids))
    figure(f"logits of {model} against numpy", f"differ by {worst:.5f} at most, prompts of up to {longest} tokens")
    assert longest > 999
    assert worst < 0.002


def test_four_bits_are_carried_over_bit_by_bit() -> None:
    if not (MODELS / "smollm2-4bit").is_dir():
        pytest.skip("no build/real/models/smollm2-4bit")
    packed: Any = mx.load(str(MODELS / "smollm2-4bit" / "model.safetensors"))
    whole: Any = mx.load(str(MODELS / "smollm2" / "model.safetensors"))
    layers = [name.removesuffix(".scales") for name in packed if name.endswith(".scales")]
    assert len(layers) > 200
    for layer in layers:
        weight, scales, biases = (packed[f"{layer}.{part}"] for part in ("weight", "scales", "biases"))
        bits = weight.shape[1] * 32 // (scales.shape[1] * 32)
        ours = mx.dequantize(weight, scales, biases, group_size=32, bits=bits)
        assert mx.array_equal(ours, whole[f"{layer}.weight"]), layer
