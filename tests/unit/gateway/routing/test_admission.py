import pytest

from gateway.routing.admission import RETRY_LONGEST, RETRY_UNKNOWN, Lane, Refusal, may_enter, retry_after
from gateway.routing.fairness import Waiter
from gateway.routing.suspects import Standing
from shared.errors import ModelUnavailable, Overloaded
from tests.fakes.clock import FakeClock


class Guest:
    ticket: Waiter

    def __init__(self, standing: Standing = Standing.CLEAR) -> None:
        self.standing = standing
        self.got: list[str] = []
        self.told: list[str] = []
        self.refusals: list[Refusal] = []

    def granted(self, identity: str, trial: bool) -> None:
        self.got.append(identity)
        self.standing = Standing.ON_TRIAL if trial else self.standing

    def acquitted(self) -> None:
        self.told.append("acquitted")

    def adjourned(self) -> None:
        self.told.append("adjourned")

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)


def lane(limit: int = 2) -> Lane:
    return Lane("chat", limit, FakeClock())


def enter(where: Lane, tenant: str = "", weight: float = 1.0, standing: Standing = Standing.CLEAR) -> Guest:
    guest = Guest(standing)
    where.check(tenant)
    guest.ticket = where.ticket(tenant, weight)
    where.enter(guest.ticket, guest)
    return guest


@pytest.mark.parametrize(
    ("free", "queued", "own", "limit", "in_"),
    [
        (0, 0, 0, 0, False),
        (1, 0, 0, 0, True),
        (0, 1, 1, 2, True),
        (0, 2, 2, 2, False),
        (3, 2, 2, 2, True),
        (2, 2, 2, 2, False),
        (0, 9, 1, 2, True),  # who waits beside it is others' business
    ],
)
def test_the_door(free: int, queued: int, own: int, limit: int, in_: bool) -> None:
    assert may_enter(free, queued, own, limit) is in_


def test_retry_after_follows_the_recent_rate() -> None:
    assert retry_after(10, [], 100.0) == RETRY_UNKNOWN
    assert retry_after(10, [10.0, 20.0], 100.0) == RETRY_UNKNOWN  # too old to tell
    assert retry_after(10, [90.0, 92.0, 94.0, 96.0, 98.0], 100.0) == 20.0  # one every two seconds
    assert retry_after(0, [99.9] * 50, 100.0) == 1.0
    assert retry_after(1000, [41.0], 100.0) == RETRY_LONGEST


def test_everybody_waits_while_the_model_loads_then_goes_in_order() -> None:
    chat = lane(limit=5)
    guests = [enter(chat) for _ in range(3)]
    assert chat.queued == 3
    chat.add_worker("chat.1", 2)
    assert [guest.got for guest in guests] == [["chat.1"], ["chat.1"], []]
    chat.release("chat.1", guests[0].ticket)
    assert guests[2].got == ["chat.1"]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    chat = lane(limit=1)
    enter(chat)
    with pytest.raises(Overloaded) as caught:
        enter(chat)
    assert caught.value.status == 429
    assert caught.value.retry_after == RETRY_UNKNOWN
    assert chat.queued == 1


def test_without_a_queue_a_free_credit_still_serves() -> None:
    chat = lane(limit=0)
    chat.add_worker("chat.1", 1)
    assert enter(chat).got == ["chat.1"]
    with pytest.raises(Overloaded):
        enter(chat)


def test_who_leaves_the_queue_is_passed_over() -> None:
    chat = lane()
    gone, waiter = Guest(), chat.ticket()
    chat.enter(waiter, gone)
    other = enter(chat)
    chat.leave(waiter)
    chat.leave(waiter)
    chat.add_worker("chat.1", 1)
    assert (gone.got, other.got) == ([], ["chat.1"])


def test_an_old_ticket_goes_first() -> None:
    chat = lane()
    old, replayed = chat.ticket(), Guest()
    late = enter(chat)
    chat.enter(old, replayed)
    chat.add_worker("chat.1", 1)
    assert (replayed.got, late.got) == (["chat.1"], [])


def test_requests_spread_over_incarnations_and_never_to_a_removed_one() -> None:
    chat = lane()
    chat.add_worker("a.1", 2)
    chat.add_worker("b.1", 2)
    first = [enter(chat) for _ in range(4)]
    assert sorted(guest.got[0] for guest in first) == ["a.1", "a.1", "b.1", "b.1"]
    waiting = enter(chat)
    chat.remove_worker("a.1")
    chat.release("a.1", first[0].ticket)  # its credit went with it
    assert waiting.got == []
    chat.release("b.1", first[1].ticket)
    assert waiting.got == ["b.1"]


def test_a_closed_lane_refuses_who_waits_who_comes_and_who_returns() -> None:
    chat = lane()
    ticket, returning = chat.ticket(), Guest()
    waiting = enter(chat)
    refusal = Refusal("model_unavailable", "broken", 60.0)
    chat.close(refusal)
    assert waiting.refusals == [refusal]
    assert chat.queued == 0
    with pytest.raises(ModelUnavailable) as caught:
        chat.check()
    assert (caught.value.status, caught.value.retry_after) == (503, 60.0)
    chat.enter(ticket, returning)
    assert returning.refusals == [refusal]
    chat.reopen()
    assert enter(chat).refusals == []


def test_a_tenant_that_comes_late_does_not_wait_for_the_whole_queue_of_another() -> None:
    clock = FakeClock()
    chat = Lane("chat", 100, clock)
    chat.add_worker("chat.1", 1)
    greedy = [enter(chat, "greedy") for _ in range(50)]
    late = enter(chat, "late")
    clock.now += 2
    chat.release("chat.1", greedy[0].ticket)
    assert late.got == ["chat.1"]
    assert greedy[1].got == []


def test_nobody_can_fill_the_queue_for_the_others() -> None:
    chat = lane(limit=2)
    for _ in range(2):
        enter(chat, "greedy")
    with pytest.raises(Overloaded):
        enter(chat, "greedy")
    assert enter(chat, "late").refusals == []


def test_a_request_that_comes_back_is_charged_for_what_it_had() -> None:
    clock = FakeClock()
    chat = Lane("chat", 10, clock)
    chat.add_worker("chat.1", 1)
    long = enter(chat, "a")
    clock.now += 100
    chat.remove_worker("chat.1")
    chat.enter(long.ticket, long)  # its worker died
    chat.enter(chat.ticket("b"), other := Guest())
    chat.add_worker("chat.2", 1)
    assert (long.got, other.got) == (["chat.1", "chat.2"], [])  # b came anew: it starts level, and later


def suspects(where: Lane, count: int) -> list[Guest]:
    return [enter(where, standing=Standing.SUSPECT) for _ in range(count)]


def pass_trial(where: Lane, guest: Guest) -> None:
    guest.standing = Standing.PASSED
    where.passed(guest.got[-1], guest.ticket)


def test_suspects_are_tried_one_at_a_time_before_everybody_else() -> None:
    chat = lane(limit=9)
    fresh = enter(chat)
    first, second, third = suspects(chat, 3)
    chat.add_worker("chat.2", 8)
    assert [guest.got for guest in (first, second, third, fresh)] == [["chat.2"], [], [], []]
    pass_trial(chat, first)
    assert (second.got, third.got, fresh.got, first.told) == (["chat.2"], [], [], [])
    chat.release("chat.2", second.ticket)  # it had ended before it said anything
    assert third.got == ["chat.2"]
    assert fresh.got == []
    pass_trial(chat, third)
    assert [guest.told for guest in (first, second, third)] == [["acquitted"]] * 3
    assert fresh.got == ["chat.2"]
    pass_trial(chat, third)  # once more, and too late
    assert third.told == ["acquitted"]


def test_nobody_who_has_shown_something_is_beside_a_suspect() -> None:
    chat = lane(limit=9)
    chat.add_worker("chat.1", 8)
    running = enter(chat)
    (suspect,) = suspects(chat, 1)
    fresh = enter(chat)
    assert (suspect.got, fresh.got) == ([], ["chat.1"])
    chat.add_worker("chat~2.2", 8)  # another replica comes back
    assert suspect.got == ["chat~2.2"]
    assert enter(chat).got == ["chat.1"]
    chat.release("chat.1", running.ticket)


def test_trials_respect_the_credits() -> None:
    chat = lane(limit=9)
    first, second = suspects(chat, 2)
    chat.add_worker("chat.2", 1)
    pass_trial(chat, first)
    assert (second.got, first.told) == ([], [])
    chat.release("chat.2", first.ticket)
    assert second.got == ["chat.2"]


def test_a_worker_that_goes_adjourns_its_trials() -> None:
    chat = lane(limit=9)
    first, second = suspects(chat, 2)
    chat.add_worker("chat.2", 4)
    pass_trial(chat, first)
    chat.remove_worker("chat.2")
    assert [guest.told for guest in (first, second)] == [["adjourned"]] * 2
    pass_trial(chat, second)


def test_what_is_left_of_a_closed_lanes_time_is_told() -> None:
    clock = FakeClock()
    chat = Lane("chat", 2, clock)
    chat.close(Refusal("model_unavailable", "broken", 600.0))
    clock.now += 540
    with pytest.raises(ModelUnavailable) as caught:
        chat.check()
    assert caught.value.retry_after == 60
    clock.now += 100
    with pytest.raises(ModelUnavailable) as caught:
        chat.check()
    assert caught.value.retry_after == 1
