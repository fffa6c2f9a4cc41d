"""Kokoro-82M's int8 ONNX export and kokoro-js's voices to a folder in the layout of hexgrad/Kokoro-82M."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from scripts.real_weights.folder import save_json, save_weights
from scripts.real_weights.kokoro_weights import KokoroWeights

_STYLE = 256
# https://huggingface.co/hexgrad/Kokoro-82M/blob/main/config.json
_CONFIG: dict[str, Any] = {
    "model_type": "kokoro",
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    "max_dur": 50,
    "multispeaker": True,
    "n_layer": 3,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "plbert": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "num_hidden_layers": 12,
        "dropout": 0.1,
    },
}


def convert_kokoro(parts: list[Path], alphabet: Path, voices: Path, folder: Path) -> None:
    """`parts` make up the ONNX file; `alphabet` is JSON with a `vocab`; `voices` holds NAME.bin of float32."""
    graph = onnx.load_from_string(b"".join(part.read_bytes() for part in parts)).graph
    save_weights(folder / "model.safetensors", KokoroWeights(graph).convert(), made_for="pt")
    vocabulary = json.loads(alphabet.read_text(encoding="utf-8"))["vocab"]
    save_json(folder / "config.json", _CONFIG | {"vocab": vocabulary})
    for path in sorted(voices.glob("*.bin")):
        pack = np.fromfile(path, np.float32).reshape(-1, 1, _STYLE)
        save_weights(folder / "voices" / f"{path.stem}.safetensors", {"voice": pack})
