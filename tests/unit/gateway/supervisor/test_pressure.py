"""gateway/supervisor/pressure: levels from readings, as values."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.pressure import (
    CRITICAL_GROWTH,
    HOLD,
    LEVELS,
    TIGHT_GROWTH,
    Level,
    Pressure,
    Reading,
    growth,
    judge,
    may_load,
    severity,
)

TOTAL = 1000


def reading(available: int, growth: float = 0.0) -> Reading:
    return Reading(TOTAL, available, growth=growth)


READINGS = st.builds(reading, st.integers(0, TOTAL), st.floats(0, 2 * CRITICAL_GROWTH))


@pytest.mark.parametrize(
    ("available", "grows", "level"),
    [
        (500, 0, "normal"),
        (100, 0, "normal"),
        (99, 0, "tight"),
        (40, 0, "tight"),
        (39, 0, "critical"),
        (0, 0, "critical"),
        # Growing swap says the same earlier, but nothing while memory is plenty.
        (199, TIGHT_GROWTH, "tight"),
        (199, TIGHT_GROWTH - 1, "normal"),
        (200, 10 * CRITICAL_GROWTH, "normal"),
        (79, CRITICAL_GROWTH, "critical"),
        (80, CRITICAL_GROWTH, "tight"),
    ],
)
def test_what_one_reading_says(available: int, grows: float, level: Level) -> None:
    assert severity(reading(available, grows)) == level


def test_all_levels_are_ordered() -> None:
    assert get_args(Level) == LEVELS


def test_worse_counts_at_once_and_better_after_a_while() -> None:
    state = judge(Pressure(), reading(30), 100.0)
    assert state == Pressure("critical", "critical")
    state = judge(state, reading(900), 101.0)
    assert (state.level, state.now) == ("critical", "normal")
    assert judge(state, reading(900), 101.0 + HOLD - 0.1).level == "critical"
    assert judge(state, reading(900), 101.0 + HOLD) == Pressure("normal", "normal")


def test_a_relapse_starts_the_wait_anew() -> None:
    state = judge(Pressure("tight", "tight"), reading(900), 0.0)
    state = judge(state, reading(90), 5.0)
    assert (state.level, state.better_since) == ("tight", None)
    state = judge(state, reading(900), 6.0)
    assert judge(state, reading(900), HOLD).level == "tight"
    assert judge(state, reading(900), 6.0 + HOLD).level == "normal"


def test_slightly_better_is_not_better() -> None:
    state = Pressure("tight", "tight")
    for second in range(100):
        state = judge(state, reading(110), float(second))
    assert (state.level, state.now) == ("tight", "normal")


def test_critical_may_become_tight_first() -> None:
    state = Pressure("critical", "critical", better_since=0.0)
    assert judge(state, reading(70), HOLD).level == "tight"


@given(st.lists(READINGS, min_size=1, max_size=60), st.floats(0.1, 5.0))
def test_the_level_is_never_below_the_reading_and_never_falls_sooner_than_it_may(
    readings: list[Reading], step: float
) -> None:
    state, changed = Pressure(), -1e9
    for index, one in enumerate(readings):
        now = index * step
        before, state = state, judge(state, one, now)
        assert LEVELS.index(state.level) >= LEVELS.index(severity(one))
        assert state.now == severity(one)
        if LEVELS.index(state.level) < LEVELS.index(before.level):
            assert now - changed >= HOLD
        if state.level != before.level:
            changed = now


@given(READINGS, st.integers(1, TOTAL), st.integers(1, TOTAL))
def test_what_may_load(found: Reading, need: int, held: int) -> None:
    assert may_load("normal", found, need, held)
    assert may_load("critical", found, need, 0)  # nothing of ours is to blame, and nobody would be served
    assert may_load("critical", found, -need, held)  # another goes for it
    assert not may_load("critical", found, need, held)
    if may_load("tight", found, need, held):
        assert severity(Reading(TOTAL, found.available - need)) != "critical"


@pytest.mark.parametrize(
    ("samples", "expected"),
    [([(0.0, 5)], 0.0), ([(0.0, 0), (5.0, 100)], 20.0), ([(0.0, 100), (5.0, 0)], 0.0), ([(1.0, 0), (1.0, 9)], 0.0)],
)
def test_growth_is_a_rate_and_shrinking_is_none(samples: list[tuple[float, int]], expected: float) -> None:
    assert growth(samples) == expected
