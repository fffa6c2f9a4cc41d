import pytest

from gateway.supervisor.placement import divide, node_budget, wired_limit


def test_a_budget_is_a_share_or_bytes() -> None:
    assert node_budget(0.75, 1000) == 750
    assert node_budget(600, 1000) == 600


def test_each_worker_gets_its_weights_and_an_equal_part_of_the_rest() -> None:
    assert divide(100, [40, 10]) == [65, 35]
    assert divide(100, [0, 0]) == [50, 50]
    assert divide(10, [40, 10]) == [40, 10]
    assert divide(10, []) == []


@pytest.mark.parametrize(
    ("weights", "budget", "wired"),
    [(4 * 2**30, 40 * 2**30, 6 * 2**30), (4 * 2**30, 5 * 2**30, 5 * 2**30), (0, 7 * 2**30, 7 * 2**30)],
)
def test_wired_is_the_weights_and_a_margin_within_the_budget(weights: int, budget: int, wired: int) -> None:
    assert wired_limit(weights, budget) == wired
