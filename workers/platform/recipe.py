"""Makes a model from a recipe instead of weights (`shared/recipe.py` has the format)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from shared.recipe import Recipe, Rule


def random_model(recipe: Recipe, build: Callable[[], Any]) -> Any:
    """Builds the model and draws its parameters: the same recipe gives the same weights, bit for bit.

    `build` returns an `mlx.nn.Module` with its architecture's initialisation; the engine thread calls this.
    """
    mx.random.seed(recipe.seed)
    model = build()
    dtype = getattr(mx, recipe.dtype)
    leaves: Any = tree_flatten(model.parameters())
    drawn = [(name, _draw(recipe, name, array).astype(_dtype(array, dtype))) for name, array in leaves]
    model.update(tree_unflatten(drawn))
    mx.eval(model.parameters())
    model.eval()
    return model


def _draw(recipe: Recipe, name: str, array: mx.array) -> mx.array:
    rule = next((rule for rule in recipe.rules if fnmatchcase(name, rule.match)), None)
    if rule is None:
        return array
    return _values(rule, array, mx.random.key(recipe.seed ^ zlib.crc32(name.encode())))


def _values(rule: Rule, array: mx.array, key: mx.array) -> mx.array:
    if rule.draw == "constant":
        return mx.full(array.shape, rule.value)
    if rule.draw == "normal":
        return mx.random.normal(array.shape, scale=rule.value, key=key)
    return mx.random.uniform(-rule.value, rule.value, array.shape, key=key)


def _dtype(array: mx.array, dtype: mx.Dtype) -> mx.Dtype:
    """Tables of whole numbers stay what they are."""
    return dtype if mx.issubdtype(array.dtype, mx.floating) else array.dtype
