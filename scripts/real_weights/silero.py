"""The 16 kHz weights that silero-vad ships to a folder in mlx-audio's layout; the 8 kHz branch is left out."""

from __future__ import annotations

from pathlib import Path

from safetensors.numpy import load_file

from scripts.real_weights.folder import save_json, save_weights


def convert_silero(source: Path, folder: Path) -> None:
    given = load_file(source)
    weights = {
        f"vad_16k.{name}": array.transpose(0, 2, 1) if array.ndim == 3 else array
        for name, array in given.items()
        if "conv" in name
    }
    weights["vad_16k.lstm.Wx"] = given["lstm_cell.weight_ih"]
    weights["vad_16k.lstm.Wh"] = given["lstm_cell.weight_hh"]
    weights["vad_16k.lstm.bias"] = given["lstm_cell.bias_ih"] + given["lstm_cell.bias_hh"]
    save_weights(folder / "model.safetensors", weights)
    save_json(folder / "config.json", {"model_type": "silero_vad"})
