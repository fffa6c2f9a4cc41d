import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.placement import (
    Never,
    Place,
    Resident,
    Wait,
    decide,
    node_budget,
    reservation,
    wired_limit,
)


def test_a_budget_is_a_share_or_bytes() -> None:
    assert node_budget(0.75, 1000) == 750
    assert node_budget(600, 1000) == 600


@pytest.mark.parametrize(
    ("weights", "budget", "wired"),
    [(4 * 2**30, 40 * 2**30, 6 * 2**30), (4 * 2**30, 5 * 2**30, 5 * 2**30), (0, 7 * 2**30, 7 * 2**30)],
)
def test_wired_is_the_weights_and_a_margin_within_the_budget(weights: int, budget: int, wired: int) -> None:
    assert wired_limit(weights, budget) == wired


def resident(name: str, size: int = 10, **values: object) -> Resident:
    facts: dict[str, object] = {"pinned": False, "busy": False, "used": 0.0, "ready_since": 0.0} | values
    return Resident(name, size, **facts)  # type: ignore[arg-type]


def test_what_fits_needs_nobody_to_go() -> None:
    assert decide(10, 30, [resident("a"), resident("b")], 100.0, 5.0) == Place()


def test_the_least_recently_used_goes_and_no_more_than_needed() -> None:
    there = [resident("old", 10, used=1.0), resident("older", 10, used=0.0), resident("new", 10, used=9.0)]
    assert decide(10, 30, there, 100.0, 5.0) == Place(("older",))
    assert decide(20, 30, there, 100.0, 5.0) == Place(("older", "old"))


def test_a_small_one_stays_when_the_large_one_goes_anyway() -> None:
    there = [resident("small", 5, used=0.0), resident("large", 25, used=1.0)]
    assert decide(25, 30, there, 100.0, 5.0) == Place(("large",))


def test_who_works_goes_last_and_finishes_first() -> None:
    there = [resident("busy", busy=True, used=0.0), resident("idle", used=9.0)]
    assert decide(10, 20, there, 100.0, 5.0) == Place(("idle",))
    assert decide(20, 20, there, 100.0, 5.0) == Place(("idle", "busy"), drain=True)


def test_who_has_only_just_come_stays_a_while() -> None:
    there = [resident("fresh", ready_since=96.0)]
    assert decide(10, 10, there, 100.0, 5.0) == Wait()
    assert decide(10, 10, there, 101.0, 5.0) == Place(("fresh",))


def test_who_loads_or_leaves_can_not_be_sent_away() -> None:
    assert decide(10, 10, [resident("loading", ready_since=None)], 100.0, 5.0) == Wait()


def test_what_can_never_fit() -> None:
    assert decide(11, 10, [], 0.0, 5.0) == Never(10)
    assert decide(10, 15, [resident("pinned", pinned=True)], 100.0, 5.0) == Never(5)


RESIDENTS = st.lists(
    st.builds(
        Resident,
        name=st.uuids().map(str),
        size=st.integers(0, 50),
        pinned=st.booleans(),
        busy=st.booleans(),
        used=st.floats(0, 100),
        ready_since=st.none() | st.floats(0, 100),
    ),
    max_size=8,
)


@given(st.integers(0, 120), st.integers(0, 200), RESIDENTS)
def test_never_over_budget_never_a_pinned_one_nobody_needlessly(need: int, spare: int, there: list[Resident]) -> None:
    budget = sum(one.size for one in there) + spare - 40
    decision = decide(need, budget, there, 100.0, 5.0)
    if not isinstance(decision, Place):
        return
    gone = [one for one in there if one.name in decision.evict]
    left = sum(one.size for one in there) - sum(one.size for one in gone)
    assert left + need <= budget
    assert not any(one.pinned or one.ready_since is None for one in gone)
    assert all(left + one.size + need > budget for one in gone)


def test_a_reservation_covers_weights_cache_one_request_and_what_was_seen() -> None:
    base = reservation(1000, 10, 100)
    assert base > 1110
    assert reservation(1000, 10, 100, peak=base) == int(base * 1.1)
