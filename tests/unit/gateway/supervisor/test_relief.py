"""gateway/supervisor/relief: what follows from readings, with memory that the test moves."""

from __future__ import annotations

import logging

import pytest

from gateway.supervisor.pressure import HOLD
from gateway.supervisor.relief import TRIM_AGAIN, Relief, read_memory
from tests.fakes.clock import FakeClock

TOTAL = 1000 * 2**20
MB = 2**20


class Fleet:
    def __init__(self, *idle: str) -> None:
        self.idle = list(idle)
        self.trims: list[float] = []
        self.shed_models: list[str] = []

    def trim(self, keep: float) -> None:
        self.trims.append(keep)

    async def shed(self) -> str | None:
        if not self.idle:
            return None
        self.shed_models.append(self.idle.pop(0))
        return self.shed_models[-1]


class Stage:
    def __init__(self, *idle: str) -> None:
        self.clock = FakeClock()
        self.fleet = Fleet(*idle)
        self.available, self.swap = 900 * MB, 0
        self.fails = False
        self.relief = Relief(self.fleet, read=self.read, clock=self.clock, sleep=self.clock.sleep)

    def read(self) -> tuple[int, int, int]:
        if self.fails:
            raise OSError("no memory to tell of memory")
        return TOTAL, self.available, self.swap

    async def seconds(self, count: int, available: int | None = None) -> None:
        if available is not None:
            self.available = available * MB
        for _ in range(count):
            await self.clock.advance(1)


async def test_plenty_of_memory_is_left_alone() -> None:
    stage = Stage("a")
    stage.relief.start()
    await stage.seconds(30)
    assert (stage.relief.level, stage.fleet.trims, stage.fleet.shed_models) == ("normal", [], [])
    await stage.relief.close()


async def test_tight_shrinks_caches_now_and_again_and_unloads_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage("a")
    stage.relief.start()
    await stage.seconds(1, available=80)
    assert (stage.relief.level, stage.fleet.trims) == ("tight", [0.25])
    await stage.seconds(int(TRIM_AGAIN))
    assert stage.fleet.trims == [0.25, 0.25]
    assert stage.fleet.shed_models == []
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (record.facts["level"], record.facts["before"]) == ("tight", "normal")  # type: ignore[attr-defined]
    await stage.relief.close()


async def test_critical_unloads_one_idle_model_a_look_until_memory_is_back() -> None:
    stage = Stage("a", "b", "c")
    stage.relief.start()
    await stage.seconds(2, available=30)
    assert (stage.fleet.shed_models, stage.fleet.trims) == (["a", "b"], [0.0])
    await stage.seconds(5, available=500)
    assert stage.relief.level == "critical"  # no loads yet, but nothing more goes
    assert stage.fleet.shed_models == ["a", "b"]
    await stage.seconds(int(HOLD))
    assert stage.relief.level == "normal"
    await stage.relief.close()


async def test_from_tight_to_critical_caches_go_at_once() -> None:
    stage = Stage()
    stage.relief.start()
    await stage.seconds(1, available=80)
    await stage.seconds(1, available=30)
    assert stage.fleet.trims == [0.25, 0.0]
    await stage.relief.close()


async def test_growing_swap_counts_while_it_grows() -> None:
    stage = Stage()
    stage.relief.start()
    stage.available = 150 * MB
    for _ in range(5):
        stage.swap += 20 * MB
        await stage.seconds(1)
    assert (stage.relief.level, stage.relief.reading.growth) == ("tight", 20 * MB)
    await stage.seconds(6)
    assert (stage.relief.reading.growth, stage.relief.reading.swap) == (0.0, 100 * MB)
    await stage.relief.close()


async def test_loads_are_judged_by_the_present_level() -> None:
    stage = Stage()
    stage.available = 80 * MB
    await stage.relief.look()
    assert stage.relief.may_load(40 * MB, held=1)
    assert not stage.relief.may_load(41 * MB, held=1)
    stage.available = 10 * MB
    await stage.relief.look()
    assert not stage.relief.may_load(1, held=1)


async def test_a_reading_that_fails_does_not_end_the_watch() -> None:
    stage = Stage()
    stage.relief.start()
    stage.fails = True
    await stage.seconds(2)
    stage.fails = False
    await stage.seconds(1, available=80)
    assert stage.relief.level == "tight"
    await stage.relief.close()


def test_this_machine_can_be_read() -> None:
    total, available, swap = read_memory()
    assert 0 < available <= total
    assert swap >= 0
