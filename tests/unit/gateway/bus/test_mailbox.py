import pytest

from gateway.bus.mailbox import Mailbox, Mailboxes
from shared.errors import InternalError
from shared.messages import Accepted, ChoiceFinished, Failed, Finished, ReasoningDelta, TextDelta, Usage
from tests.fakes.addressee import Owner, everything


def opened(owner: Owner, identity: str = "chat.1", request: str = "r") -> tuple[Mailboxes, Mailbox]:
    boxes = Mailboxes()
    mailbox = boxes.open(request, owner)
    boxes.bind(mailbox, identity)
    return boxes, mailbox


def test_a_request_comes_out_in_order_and_settles() -> None:
    owner = Owner()
    boxes, mailbox = opened(owner)
    events = [
        Accepted("r", 5, 2),
        TextDelta("r", 0, "a"),
        TextDelta("r", 0, "b"),
        ChoiceFinished("r", 0, "stop"),
        Finished("r", Usage(5, 2, 2)),
    ]
    assert boxes.deliver("chat.1", events) == 0
    assert everything(mailbox) == events
    assert owner.calls == ["first", "stop", events[-1], "settled"]
    assert len(boxes) == boxes.open_on("chat.1") == 0


async def test_filled_waits_for_the_next_event() -> None:
    boxes, mailbox = opened(Owner())
    boxes.deliver("chat.1", [Accepted("r")])
    await mailbox.filled()
    mailbox.take()
    assert mailbox.take() is None
    waiting = mailbox.filled()
    boxes.deliver("chat.1", [TextDelta("r", 0, "a")])
    await waiting
    assert mailbox.take() == TextDelta("r", 0, "a")


def test_one_terminal_only_whoever_comes_second() -> None:
    owner = Owner()
    boxes, mailbox = opened(owner)
    mailbox.close(Failed("r", "cancelled", "gone"))
    mailbox.close(Failed("r", "deadline_exceeded", "late"))
    assert boxes.open_on("chat.1") == 1  # the worker still owes its answer
    boxes.deliver("chat.1", [TextDelta("r", 0, "late"), Finished("r")])
    assert everything(mailbox) == [Failed("r", "cancelled", "gone")]
    assert owner.calls.count("settled") == 1
    assert boxes.deliver("chat.1", [Finished("r")]) == 1
    assert owner.calls.count("settled") == 1


def test_a_supplied_failure_carries_the_usage_so_far() -> None:
    boxes, mailbox = opened(Owner())
    boxes.deliver(
        "chat.1",
        [
            Accepted("r", 7, 3),
            ReasoningDelta("r", 0, "hm", tokens=(1, 2)),
            TextDelta("r", 0, "a", tokens=(3,)),
            TextDelta("r", 0, "b"),
        ],
    )
    boxes.fail_all("chat.1", "worker_lost", "dead")
    usage = Usage(prompt_tokens=7, cached_tokens=3, completion_tokens=3, reasoning_tokens=2)
    assert mailbox.terminal == Failed("r", "worker_lost", "dead", usage=usage)
    assert mailbox.usage == usage


def test_the_workers_own_usage_counts() -> None:
    boxes, mailbox = opened(Owner())
    boxes.deliver("chat.1", [TextDelta("r", 0, "a", tokens=(1,)), Failed("r", "cancelled", "", usage=Usage(9, 0, 4))])
    assert mailbox.usage == Usage(9, 0, 4)


def test_a_dead_worker_ends_its_requests_and_no_others() -> None:
    boxes = Mailboxes()
    owners = {name: Owner() for name in "abc"}
    for name, identity in (("a", "chat.1"), ("b", "chat.1"), ("c", "chat.2")):
        boxes.bind(boxes.open(name, owners[name]), identity)
    boxes.fail_all("chat.1", "worker_lost", "dead")
    boxes.fail_all("chat.1", "worker_lost", "dead")
    for name in "ab":
        assert owners[name].calls == [Failed(name, "worker_lost", "dead"), "settled"]
    assert owners["c"].calls == []
    assert boxes.open_on("chat.2") == 1


def test_an_addressee_may_take_a_lost_request_back() -> None:
    owner = Owner(takes_back=True)
    boxes, mailbox = opened(owner)
    boxes.deliver("chat.1", [Accepted("r", 5)])
    boxes.fail_all("chat.1", "worker_lost", "dead")
    boxes.rewind(mailbox)
    assert mailbox.terminal is None
    assert everything(mailbox) == []
    assert mailbox.usage == Usage()
    assert boxes.open_on("chat.1") == 0
    boxes.bind(mailbox, "chat.2")
    assert boxes.deliver("chat.1", [Finished("r")]) == 1
    assert boxes.deliver("chat.2", [Finished("r")]) == 0
    assert mailbox.terminal == Finished("r")


def test_stale_and_unknown_answers_are_counted_not_delivered() -> None:
    boxes, mailbox = opened(Owner(), identity="chat.2")
    assert boxes.deliver("chat.1", [TextDelta("r", 0, "old"), TextDelta("other", 0, "x")]) == 2
    assert everything(mailbox) == []


def test_an_id_in_use_is_refused() -> None:
    boxes, _ = opened(Owner())
    with pytest.raises(InternalError, match="in use"):
        boxes.open("r", Owner())
