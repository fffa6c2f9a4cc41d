"""Writes a model folder: safetensors and JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Array = NDArray[Any]


def save_weights(path: Path, arrays: Mapping[str, Array], made_for: str = "mlx") -> None:
    """`made_for`: `pt` makes loaders transpose PyTorch's layouts, `mlx` takes tensors as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(whole, path, metadata={"format": made_for})


def save_json(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
