"""One segment of phonemes to sound: the only place that runs the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from workers.speech.voices import Blend


@dataclass(frozen=True, slots=True)
class Rendered:
    """Mono samples, -1 to 1, and the number of frames (25 ms at speed 1) that the model drew them from."""

    samples: npt.NDArray[np.float32]
    frames: int


class Synthesizer:
    def __init__(self, model: Any, packs: Mapping[str, mx.array]) -> None:
        self._model = model
        self._packs = packs

    def render(self, phonemes: str, blend: Blend, speed: float, seed: int) -> Rendered:
        """The same arguments give the same samples, whatever was rendered before."""
        mx.random.seed(seed)  # the source of unvoiced sounds is noise
        row = len(phonemes) - 1  # a voice has a style for each length
        style = sum(share * self._packs[name][row].astype(mx.float32) for name, share in blend.parts)
        output = self._model(phonemes, style, speed, return_output=True)
        samples = np.array(output.audio.astype(mx.float32)).reshape(-1)
        frames = int(output.pred_dur.sum())
        del output
        mx.clear_cache()  # every length has buffers of its own sizes, which would pile up
        return Rendered(samples, frames)
