"""How long a prompt's chunk may take: the loop and its pacer together, on a machine whose speed the test sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.text_driver import Driver, made_up
from workers.generation import loop as loops
from workers.generation.schedule import CHUNK_FIRST, CHUNK_SECONDS


@pytest.mark.parametrize(("speed", "length", "largest"), [(17, 500, 32), (200, 900, 256), (100_000, 2400, 2048)])
def test_an_idle_models_chunks_are_bounded_in_time(
    folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, speed: int, length: int, largest: int
) -> None:
    driver, now, sizes = Driver(folder("qwen3")), [0.0], []
    prefill = driver.engine.loop.prefill
    step = prefill.step

    def timed(budget: int) -> tuple[list[Any], int | None]:
        done, tokens = step(budget)
        now[0] += (tokens or 0) / speed
        sizes.append(tokens or 0)
        return done, tokens

    monkeypatch.setattr(prefill, "step", timed)
    monkeypatch.setattr(loops, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    driver.admit("a", made_up(length), max_tokens=2)
    driver.drain()
    assert sum(sizes) == length - 1
    assert sizes[0] == CHUNK_FIRST
    assert max(sizes[1:]) == largest
    assert all(size / speed <= CHUNK_SECONDS for size in sizes[1:])
