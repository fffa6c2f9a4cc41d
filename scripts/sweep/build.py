"""Folders of tiny models with seeded random weights."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from scripts.sweep.text_configs import config
from tests.models import _drawn, write_tokenizer

VARIANTS = {"e": 0.05}
"""Behind a colon in an entry's name: the scale of its embeddings, small where logits would saturate."""


def build_text(entry: str, folder: Path, gain: float = 2.0) -> None:
    """Writes the entry's folder, float32; vectors get noise too, so that norms, biases and decays matter."""
    name, _, variant = entry.partition(":")
    module, values = config(name)
    library = importlib.import_module(f"mlx_lm.models.{module}")
    model = library.Model(library.ModelArgs.from_dict(values))
    mx.random.seed(7)
    scale = VARIANTS.get(variant, 1.0)
    weights = {path: _weight(path, array, gain, scale) for path, array in tree_flatten(model.parameters())}
    model.update(tree_unflatten(list(weights.items())))
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(values | {"eos_token_id": write_tokenizer(folder)}))


def _weight(path: str, array: mx.array, gain: float, scale: float) -> mx.array:
    drawn = _drawn(path, array, gain)
    if drawn.ndim < 2 and mx.issubdtype(drawn.dtype, mx.floating) and "A_log" not in path:
        return drawn + 0.1 * mx.random.normal(drawn.shape)
    table = ("embed" in path or "wte" in path) and drawn.ndim >= 2 and drawn.shape[0] >= 512
    return drawn * scale if table else drawn
