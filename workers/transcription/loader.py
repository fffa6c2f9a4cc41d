"""A Whisper folder to a model: the layouts of mlx-audio, of mlx-examples (`weights.npz`) and of transformers.

Everything that a request needs is checked here, so that a folder without its processor files fails at load or never.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module
from mlx.nn.layers.embedding import Embedding
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.quantized import quantize
from mlx.utils import tree_flatten
from mlx_audio.stt.models.whisper import Model, ModelConfig
from mlx_audio.utils import mel_filters
from numpy.typing import NDArray

from shared.errors import ConfigError
from workers.media.audio import SAMPLE_RATE
from workers.transcription import canonical
from workers.transcription.vocabulary import Vocabulary, load_vocabulary

_FFT = 400
_TRANSIENT = ("alignment_heads", "encoder.positional_embedding", "encoder._positional_embedding", "decoder._mask")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`frames` of 10 ms in a window, `weights` in bytes; `heads` are the (layer, head) pairs that times come from."""

    model: Any
    vocabulary: Vocabulary
    filters: NDArray[np.float32]
    heads: list[tuple[int, int]]
    frames: int
    weights: int

    @property
    def dims(self) -> Any:
        return self.model.dims

    @property
    def row_bytes(self) -> int:
        """What one window costs while it is decoded: keys and values, of the sound and of the text."""
        dims = self.dims
        positions = dims.n_audio_ctx + dims.n_text_ctx
        return int(2 * dims.n_text_layer * dims.n_text_state * positions * self.model.dtype.size)


def load(folder: Path, dtype: mx.Dtype) -> Loaded:
    """Loads and evaluates the weights. Raises ConfigError when the folder can't be hosted."""
    config = _read_json(folder / "config.json")
    generation = _read_json(folder / "generation_config.json") if (folder / "generation_config.json").is_file() else {}
    try:
        dims = ModelConfig.from_dict(dict(config))
        model = Model(dims, dtype)
        _fill(model, _read_weights(folder), config.get("quantization"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{folder.name} can't be loaded as a Whisper: {error}") from error
    leaves: Any = tree_flatten(model.parameters())
    heads = generation.get("alignment_heads")
    return Loaded(
        model=model,
        vocabulary=load_vocabulary(folder, dims.n_vocab),
        filters=np.array(mel_filters(SAMPLE_RATE, _FFT, dims.n_mels, norm="slaney", mel_scale="slaney")),
        heads=[(int(layer), int(head)) for layer, head in heads]
        if heads
        else canonical.alignment_heads(dims.n_text_layer, dims.n_text_head, dims.n_vocab),
        frames=2 * dims.n_audio_ctx,
        weights=sum(int(array.nbytes) for _, array in leaves),
    )


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a JSON object")
    return values


def _read_weights(folder: Path) -> dict[str, mx.array]:
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.npz"))
    if not files:
        raise ConfigError(f"{folder} holds no weights (*.safetensors, *.npz)")
    weights: dict[str, mx.array] = {}
    for file in files:
        loaded: Any = mx.load(str(file))
        weights.update(loaded)
    return weights


def _fill(model: Any, weights: dict[str, mx.array], quantization: Mapping[str, Any] | None) -> None:
    weights = model.sanitize({name: value for name, value in weights.items() if name not in _TRANSIENT})
    if quantization:

        def quantised(path: str, module: Module) -> bool:
            return isinstance(module, Linear | Embedding) and f"{path}.scales" in weights

        quantize(model, group_size=quantization["group_size"], bits=quantization["bits"], class_predicate=quantised)
    weights.pop("proj_out.weight", None)  # transformers writes the tied output layer once more
    model.load_weights(list(weights.items()), strict=True)
    mx.eval(model.parameters())
