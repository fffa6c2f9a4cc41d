"""`weights.recipe.json`: a model folder that ships no weights and says how to draw them.

Any folder may carry one in place of its weights: the model is then built from its `config.json` and drawn from a seed
while it loads. Such a model has the true architecture and knows nothing: it serves to try shapes, speed and memory.

    {"init": "random", "seed": 7, "dtype": "float32", "bytes": 227000000,
     "rules": [{"match": "*.weight_v", "normal": 1.0}, {"match": "head.bias", "constant": -3.0}]}

The first rule that matches a parameter's name draws it; without one it keeps the architecture's own initialisation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from shared.errors import ConfigError

RECIPE = "weights.recipe.json"
DTYPES = ("float32", "float16", "bfloat16")
Draw = Literal["normal", "uniform", "constant"]
_WEIGHTS = ("*.safetensors", "*.npz")


@dataclass(frozen=True, slots=True)
class Rule:
    """`match` is a glob over names; `value` is the deviation of a normal, the bound of a uniform, or the constant."""

    match: str
    draw: Draw
    value: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """`size` is what the weights will take, in bytes."""

    seed: int
    dtype: str
    size: int
    rules: tuple[Rule, ...] = ()


def read_recipe(folder: Path) -> Recipe | None:
    """The folder's recipe, or None where it has none or has weights. Raises ConfigError for a broken one."""
    path = folder / RECIPE
    if not path.is_file() or any(True for pattern in _WEIGHTS for _ in folder.glob(pattern)):
        return None
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: not a recipe for weights: {error}") from error


def _parse(values: Mapping[str, Any]) -> Recipe:
    unknown = set(values) - {"init", "seed", "dtype", "bytes", "rules"}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    if values["init"] != "random":
        raise ValueError(f"init is {values['init']!r}; the only one is 'random'")
    if values["dtype"] not in DTYPES:
        raise ValueError(f"dtype is {values['dtype']!r}; it may be one of {', '.join(DTYPES)}")
    seed, size = int(values["seed"]), int(values["bytes"])
    if seed < 0 or size <= 0:
        raise ValueError("seed and bytes must be positive")
    return Recipe(seed, values["dtype"], size, tuple(map(_rule, values.get("rules", ()))))


def _rule(values: Mapping[str, Any]) -> Rule:
    match = str(values["match"])
    ((draw, value),) = ((key, value) for key, value in values.items() if key != "match")
    if draw not in ("normal", "uniform", "constant"):
        raise ValueError(f"the rule for {match!r} draws {draw!r}; it may be normal, uniform or constant")
    if not math.isfinite(float(value)):
        raise ValueError(f"the rule for {match!r} has no finite value")
    return Rule(match, cast(Draw, draw), float(value))
