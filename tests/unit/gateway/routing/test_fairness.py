from gateway.routing.fairness import Waiter, choose


def test_first_come_first_served_whatever_the_order_of_the_queue() -> None:
    assert choose([Waiter(3), Waiter(1), Waiter(2)]) == Waiter(1)
