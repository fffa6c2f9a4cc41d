"""A Whisper of CTranslate2 (faster-whisper) to a folder in mlx-audio's layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.real_weights.ctranslate2 import dense, read_model
from scripts.real_weights.folder import Array, save_json, save_weights

_HEAD = 64  # every Whisper's head width


def convert_whisper(source: Path, folder: Path) -> None:
    """`source` holds model.bin, config.json and tokenizer.json. Written in float32."""
    weights = _Renamed(read_model(source / "model.bin", "WhisperSpec")).weights()
    given = json.loads((source / "config.json").read_text(encoding="utf-8"))
    save_weights(folder / "model.safetensors", weights)
    save_json(folder / "config.json", _config(weights))
    save_json(folder / "generation_config.json", {"alignment_heads": given["alignment_heads"]})
    shutil.copy(source / "tokenizer.json", folder)


def _config(weights: Mapping[str, Array]) -> dict[str, Any]:
    vocabulary, state = weights["decoder.token_embedding.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("decoder.blocks."))
    sides = {
        f"n_{side}_{name}": value
        for side in ("audio", "text")
        for name, value in (("state", state), ("head", state // _HEAD), ("layer", layers))
    }
    return sides | {
        "model_type": "whisper",
        "n_mels": weights["encoder.conv1.weight"].shape[2],
        "n_vocab": vocabulary,
        "n_audio_ctx": 1500,
        "n_text_ctx": weights["decoder.positional_embedding"].shape[0],
    }


class _Renamed:
    """CTranslate2's names to OpenAI's; a layer there may hold several side by side."""

    def __init__(self, variables: dict[str, Array]) -> None:
        self._variables = variables
        self._out: dict[str, Array] = {}

    def weights(self) -> dict[str, Array]:
        for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
            self._norm(f"{side}.{last}", f"{side}/layer_norm")
            layer = 0
            while f"{side}/layer_{layer}/ffn/layer_norm/gamma" in self._variables:
                self._block(side, layer)
                layer += 1
        for name in ("conv1", "conv2"):
            self._out[f"encoder.{name}.weight"] = dense(self._variables, f"encoder/{name}").transpose(0, 2, 1)
            self._out[f"encoder.{name}.bias"] = self._variables[f"encoder/{name}/bias"]
        self._out["decoder.token_embedding.weight"] = dense(self._variables, "decoder/embeddings")
        self._out["decoder.positional_embedding"] = self._variables["decoder/position_encodings/encodings"]
        return {name: array.astype(np.float32) for name, array in self._out.items()}

    def _block(self, side: str, layer: int) -> None:
        to, source = f"{side}.blocks.{layer}", f"{side}/layer_{layer}"
        self._linear(f"{to}.attn", f"{source}/self_attention/linear_0", (".query", ".key", ".value"))
        self._linear(f"{to}.attn.out", f"{source}/self_attention/linear_1")
        self._norm(f"{to}.attn_ln", f"{source}/self_attention/layer_norm")
        if side == "decoder":
            self._linear(f"{to}.cross_attn.query", f"{source}/attention/linear_0")
            self._linear(f"{to}.cross_attn", f"{source}/attention/linear_1", (".key", ".value"))
            self._linear(f"{to}.cross_attn.out", f"{source}/attention/linear_2")
            self._norm(f"{to}.cross_attn_ln", f"{source}/attention/layer_norm")
        self._linear(f"{to}.mlp1", f"{source}/ffn/linear_0")
        self._linear(f"{to}.mlp2", f"{source}/ffn/linear_1")
        self._norm(f"{to}.mlp_ln", f"{source}/ffn/layer_norm")

    def _linear(self, target: str, source: str, names: tuple[str, ...] = ("",)) -> None:
        weights = np.split(dense(self._variables, source), len(names))
        biases = np.split(self._variables[f"{source}/bias"], len(names))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            self._out[f"{target}{name}.weight"] = weight
            if name != ".key":  # Whisper's keys have no bias
                self._out[f"{target}{name}.bias"] = bias

    def _norm(self, target: str, source: str) -> None:
        self._out[f"{target}.weight"] = self._variables[f"{source}/gamma"]
        self._out[f"{target}.bias"] = self._variables[f"{source}/beta"]
