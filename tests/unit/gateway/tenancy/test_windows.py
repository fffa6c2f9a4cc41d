from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.tenancy.windows import DAY, MINUTE, Day, Minute


def test_an_amount_counts_for_exactly_a_minute() -> None:
    minute = Minute()
    minute.add(3, 100.0)
    assert minute.used(159.999) == 3
    assert minute.used(160.0) == 0


def test_the_wait_ends_when_enough_has_left_the_window() -> None:
    minute = Minute()
    for at in (0.0, 10.0, 20.0):
        minute.add(1, at)
    assert minute.wait(4, 30.0) == 0.0
    assert minute.wait(3, 30.0) == 30.0  # the first leaves at 60
    assert minute.wait(2, 30.0) == 40.0
    assert minute.reset(30.0) == 50.0


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(1, 9)), max_size=30), st.integers(1, 20), st.floats(0, 260))
def test_after_the_wait_there_is_room_and_not_before(amounts: list[tuple[float, int]], most: int, now: float) -> None:
    minute = Minute()
    for at, amount in sorted(amounts):
        if at <= now:
            minute.add(amount, at)
    wait = minute.wait(most, now)
    kept = [(at, amount) for at, amount in amounts if at <= now]
    assert sum(amount for at, amount in kept if now + wait - at < MINUTE - 1e-6) < most
    assert wait == 0 or sum(amount for at, amount in kept if now + wait - at < MINUTE + 1e-6) >= most


def test_a_day_ends_at_midnight() -> None:
    day = Day()
    day.add(5, 3 * DAY - 10.0)
    assert day.used(3 * DAY - 0.1) == 5
    assert day.wait(5, 3 * DAY - 10.0) == 10.0
    assert day.wait(6, 3 * DAY - 10.0) == 0.0
    assert day.used(3 * DAY) == 0
