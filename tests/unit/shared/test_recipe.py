from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.detect import detect_kind
from shared.errors import ConfigError
from shared.footprint import weight_bytes
from shared.recipe import RECIPE, Recipe, Rule, read_recipe

GOOD: dict[str, Any] = {"init": "random", "seed": 7, "dtype": "float32", "bytes": 1000}


def folder(tmp_path: Path, recipe: Any) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "kokoro", "istftnet": {}}')
    (tmp_path / RECIPE).write_text(recipe if isinstance(recipe, str) else json.dumps(recipe))
    return tmp_path


def test_a_recipe_is_read_with_its_rules(tmp_path: Path) -> None:
    rules = [{"match": "*.weight", "normal": 0.5}, {"match": "b", "constant": 1}]
    recipe = read_recipe(folder(tmp_path, GOOD | {"rules": rules}))
    assert recipe == Recipe(7, "float32", 1000, (Rule("*.weight", "normal", 0.5), Rule("b", "constant", 1.0)))


def test_a_folder_with_a_recipe_counts_as_a_model_of_its_size(tmp_path: Path) -> None:
    assert detect_kind(folder(tmp_path, GOOD)) == "tts"
    assert weight_bytes(tmp_path) == 1000


def test_weights_go_before_a_recipe(tmp_path: Path) -> None:
    (folder(tmp_path, GOOD) / "model.safetensors").touch()
    assert read_recipe(tmp_path) is None


def test_a_folder_without_one(tmp_path: Path) -> None:
    assert read_recipe(tmp_path) is None


@pytest.mark.parametrize(
    "recipe",
    [
        "{",
        "[]",
        {},
        GOOD | {"init": "zeros"},
        GOOD | {"dtype": "int8"},
        GOOD | {"bytes": 0},
        GOOD | {"seed": -1},
        GOOD | {"speed": 1},
        GOOD | {"rules": [{"match": "a", "gamma": 1}]},
        GOOD | {"rules": [{"match": "a"}]},
        GOOD | {"rules": [{"match": "a", "normal": float("inf")}]},
    ],
)
def test_a_broken_recipe_is_named(tmp_path: Path, recipe: Any) -> None:
    with pytest.raises(ConfigError, match=RECIPE):
        read_recipe(folder(tmp_path, recipe))
