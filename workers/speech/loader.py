"""A Kokoro folder to a model, its alphabet and its voices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten

from shared.errors import ConfigError
from shared.recipe import read_recipe
from workers.platform.recipe import random_model

_STYLE = 256


@dataclass(frozen=True, slots=True)
class Loaded:
    """`packs` are [phoneme counts, 1, 256] a voice; `weights` in bytes, `rate` in samples a second."""

    model: Any
    alphabet: frozenset[str]
    packs: Mapping[str, mx.array]
    longest: int  # phonemes of one segment
    rate: int
    weights: int


def load(folder: Path) -> Loaded:
    """Raises ConfigError when the folder can't be hosted."""
    config = _read_config(folder)
    packs = _load_packs(folder)
    try:
        model = _load_model(folder, config)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{folder.name} can't be loaded: {error}") from error
    leaves: Any = tree_flatten(model.parameters())
    return Loaded(
        model=model,
        alphabet=frozenset(model.vocab),
        packs=packs,
        longest=min(int(model.context_length) - 2, *(int(pack.shape[0]) for pack in packs.values())),
        rate=int(model.sample_rate),
        weights=sum(int(array.nbytes) for _, array in leaves),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: no readable config.json: {error}") from error
    if not isinstance(config, dict) or "istftnet" not in config:
        found = config.get("model_type") if isinstance(config, dict) else None
        raise ConfigError(f"{folder.name} is no Kokoro (model_type: {found}); no other speech model is served yet")
    return config


def _load_model(folder: Path, config: Mapping[str, Any]) -> Any:
    recipe = read_recipe(folder)
    if recipe is None:
        from mlx_audio.tts.utils import load_model

        return load_model(folder, model_type="kokoro")
    from mlx_audio.tts.models.kokoro import Model, ModelConfig

    return random_model(recipe, lambda: Model(ModelConfig.from_dict(config)))


def _load_packs(folder: Path) -> dict[str, mx.array]:
    packs: dict[str, mx.array] = {}
    for path in sorted((folder / "voices").glob("*.safetensors")):
        try:
            pack = cast(dict[str, mx.array], mx.load(str(path)))["voice"]
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigError(f"{path}: not a voice: {error}") from error
        if pack.ndim != 3 or pack.shape[1:] != (1, _STYLE):
            raise ConfigError(f"{path}: a voice of the shape {pack.shape}; it should be [phonemes, 1, {_STYLE}]")
        packs[path.stem] = pack
    if not packs:
        raise ConfigError(f"{folder / 'voices'} holds no voice (NAME.safetensors)")
    mx.eval(packs)
    return packs
