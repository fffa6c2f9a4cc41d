from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn

from shared.recipe import Recipe, Rule
from workers.platform.recipe import random_model


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.table = mx.arange(4)
        self.dropout = nn.Dropout(0.5)


RULES = (Rule("first.weight", "normal", 2.0), Rule("*.bias", "constant", -3.0), Rule("*.weight", "uniform", 0.5))


def drawn(seed: int = 7, dtype: str = "float32", rules: tuple[Rule, ...] = RULES) -> Any:
    return random_model(Recipe(seed, dtype, 1, rules), Tiny)


def test_the_first_rule_that_matches_draws() -> None:
    model = drawn()
    assert float(mx.abs(model.first.weight).max()) > 1.0
    assert float(mx.abs(model.second.weight).max()) <= 0.5
    assert model.first.bias.tolist() == [-3.0] * 8


def test_the_same_recipe_gives_the_same_weights() -> None:
    one = drawn(rules=RULES[:1])
    mx.random.normal((100,))  # something else draws in between
    two, other = drawn(rules=RULES[:1]), drawn(seed=8, rules=RULES[:1])
    for name in ("first", "second"):  # drawn by a rule, and by the architecture
        assert mx.array_equal(getattr(one, name).weight, getattr(two, name).weight)
        assert not mx.array_equal(getattr(one, name).weight, getattr(other, name).weight)


def test_equal_shapes_are_drawn_apart() -> None:
    model = drawn(rules=(Rule("*.weight", "normal", 1.0),))
    assert not mx.array_equal(model.first.weight, model.second.weight)


def test_the_dtype_is_the_recipes_and_whole_numbers_stay() -> None:
    model = drawn(dtype="float16")
    assert model.first.weight.dtype == mx.float16
    assert model.table.tolist() == [0, 1, 2, 3]
    assert model.table.dtype == mx.int32


def test_the_model_is_ready_to_answer() -> None:
    assert not drawn().dropout.training
