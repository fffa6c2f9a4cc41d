from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workers.platform.memory import apply_limits

SYSTEM = 1000


class FakeMX:
    """Records limits as MLX would hold them; Metal refuses a wired limit above the system's."""

    def __init__(self, metal: bool = True) -> None:
        self.memory: int | None = None
        self.cache: int | None = None
        self.wired = 0
        self.metal = SimpleNamespace(is_available=lambda: metal, set_wired_limit=self._wire)
        self.set_wired_limit = self._wire

    def _wire(self, limit: int) -> int:
        if limit > SYSTEM:
            raise ValueError("above the system's limit")
        before, self.wired = self.wired, limit
        return before

    def set_memory_limit(self, limit: int) -> None:
        self.memory = limit

    def set_cache_limit(self, limit: int) -> None:
        self.cache = limit

    def device_info(self) -> dict[str, int]:
        return {"max_recommended_working_set_size": SYSTEM}


def library(mx: Any) -> Any:
    """What mlx_lm.utils.maybe_set_recommended_wired_limit does."""
    return mx.set_wired_limit(mx.device_info()["max_recommended_working_set_size"])


def test_budget_and_wired_limit_are_put_in_force() -> None:
    mx = FakeMX()
    apply_limits(800, 300, mx)
    assert (mx.memory, mx.cache, mx.wired) == (800, 200, 300)


def test_a_library_cannot_raise_the_wired_limit() -> None:
    mx = FakeMX()
    apply_limits(800, 300, mx)
    before = library(mx)
    assert (before, mx.wired) == (300, 300)
    mx.metal.set_wired_limit(SYSTEM)
    assert mx.wired == 300


def test_a_library_may_lower_it_and_put_it_back() -> None:
    mx = FakeMX()
    apply_limits(None, 300, mx)
    assert mx.set_wired_limit(100) == 300
    assert mx.wired == 100
    mx.set_wired_limit(300)
    assert mx.wired == 300


def test_without_a_limit_nothing_is_wired_whoever_asks() -> None:
    mx = FakeMX()
    apply_limits(None, None, mx)
    library(mx)
    assert (mx.memory, mx.cache, mx.wired) == (None, None, 0)


def test_the_systems_own_limit_bounds_what_was_given() -> None:
    mx = FakeMX()
    apply_limits(None, SYSTEM + 1, mx)
    assert mx.wired == SYSTEM


def test_a_new_limit_replaces_the_old_bound() -> None:
    mx = FakeMX()
    apply_limits(None, 100, mx)
    apply_limits(None, 300, mx)
    assert mx.wired == 300


def test_the_wired_limit_is_set_on_metal_only() -> None:
    mx = FakeMX(metal=False)
    apply_limits(None, 300, mx)
    assert mx.wired == 0


@pytest.mark.parametrize("name", ["mlx_lm"])
def test_the_library_wires_through_the_attribute_that_is_replaced(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    text = "".join(path.read_text() for path in Path(spec.origin).parent.rglob("*.py"))
    calls = re.findall(r"([\w.]*)\bset_wired_limit\(", text)
    assert calls
    assert set(calls) <= {"mx.", "mx.metal."}
