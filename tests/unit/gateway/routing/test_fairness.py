from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.fairness import USUAL, Shares, Waiter, choose


def test_first_come_first_served_whatever_the_order_of_the_queue() -> None:
    assert choose([Waiter(3), Waiter(1), Waiter(2)], {}) == Waiter(1)


def test_who_has_had_least_goes_first() -> None:
    assert choose([Waiter(1, "a"), Waiter(2, "b")], {"a": 2.0, "b": 1.0}) == Waiter(2, "b")


def serve(weights: dict[str, float], seconds: dict[str, float], rounds: int) -> dict[str, float]:
    """One credit; every tenant always has a request waiting. The time that each has had in the end."""
    shares, now, had = Shares(), 0.0, dict.fromkeys(weights, 0.0)
    for tenant in weights:
        shares.arrive(tenant, (), now)
    for ticket in range(rounds):
        waiters = [Waiter(ticket * 100 + at, tenant, weight) for at, (tenant, weight) in enumerate(weights.items())]
        chosen = choose(waiters, shares.had(now))
        shares.begin(chosen, now)
        now += seconds[chosen.tenant]
        shares.end(chosen, now)
        had[chosen.tenant] += seconds[chosen.tenant]
    return had


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.5, 4), min_size=2),
    st.fixed_dictionaries({name: st.floats(0.1, 10) for name in "abcd"}),
)
def test_time_is_shared_by_weight_however_long_the_requests(
    weights: dict[str, float], seconds: dict[str, float]
) -> None:
    had = serve(weights, seconds, 400)
    shares = [had[tenant] / weight for tenant, weight in weights.items()]
    longest = max(seconds[tenant] / weight for tenant, weight in weights.items())
    assert max(shares) - min(shares) <= 2 * longest


def test_a_burst_is_shared_out_before_anything_has_ended() -> None:
    shares = Shares()
    waiters = [Waiter(n, "a") for n in range(10)] + [Waiter(n, "b") for n in range(10, 20)]
    got = []
    for _ in range(8):
        chosen = choose(waiters, shares.had(0.0))
        waiters.remove(chosen)
        shares.begin(chosen, 0.0)
        got.append(chosen.tenant)
    assert sorted(got) == ["a"] * 4 + ["b"] * 4


def test_absence_earns_nothing() -> None:
    shares = Shares()
    shares.begin(Waiter(1, "busy"), 0.0)
    shares.end(Waiter(1, "busy"), 1000.0)
    shares.arrive("late", {"busy"}, 1000.0)
    assert shares.had(1000.0) == {"busy": 1000.0, "late": 1000.0}


def test_who_is_there_keeps_what_it_has_had() -> None:
    shares = Shares()
    shares.begin(Waiter(1, "busy"), 0.0)
    shares.arrive("late", {"busy", "late"}, 50.0)
    assert "late" not in shares.had(50.0)


def test_a_running_request_counts_at_least_as_long_as_usual() -> None:
    shares = Shares()
    shares.begin(Waiter(1, "a", 2.0), 5.0)
    assert shares.had(5.0) == {"a": USUAL / 2}
    assert shares.had(9.0) == {"a": 2.0}
    shares.end(Waiter(1, "a", 2.0), 9.0)
    shares.end(Waiter(1, "a", 2.0), 20.0)
    assert shares.had(20.0) == {"a": 2.0}
