from gateway.supervisor.placement import divide, node_budget


def test_a_budget_is_a_share_or_bytes() -> None:
    assert node_budget(0.75, 1000) == 750
    assert node_budget(600, 1000) == 600


def test_each_worker_gets_its_weights_and_an_equal_part_of_the_rest() -> None:
    assert divide(100, [40, 10]) == [65, 35]
    assert divide(100, [0, 0]) == [50, 50]
    assert divide(10, [40, 10]) == [40, 10]
    assert divide(10, []) == []
