"""shared/lifecycle: the table of a worker's life and the policy of its restarts."""

import pytest

from shared.lifecycle import (
    BACKOFF_LAST,
    FORGIVEN_AFTER,
    QUARANTINE_FIRST,
    QUARANTINE_LAST,
    Cause,
    Death,
    Event,
    IllegalTransition,
    Quarantine,
    Record,
    Restart,
    State,
    advance,
    backoff,
    decide,
)

FAULT, KILLED, TERMINATED, CONFIG = Cause.FAULT, Cause.KILLED, Cause.TERMINATED, Cause.CONFIG


def walk(state: State, *events: Event) -> State:
    for event in events:
        state = advance(state, event)
    return state


def test_a_full_life() -> None:
    seen = [State.STOPPED]
    for event in (Event.SPAWN, Event.HELLO, Event.LOADED, Event.DRAIN, Event.STOP, Event.EXIT):
        seen.append(advance(seen[-1], event))
    expected = ["stopped", "spawned", "loading", "ready", "draining", "stopping", "stopped"]
    assert [str(state) for state in seen] == expected


@pytest.mark.parametrize("state", [State.SPAWNED, State.LOADING, State.READY, State.DRAINING])
@pytest.mark.parametrize("end", [Event.EXIT, Event.FAULT])
def test_every_live_state_can_crash_and_come_back(state: State, end: Event) -> None:
    assert walk(state, end, Event.WAIT, Event.SPAWN) is State.SPAWNED


@pytest.mark.parametrize("state", [State.SPAWNED, State.LOADING, State.READY, State.DRAINING])
def test_every_live_state_can_be_stopped(state: State) -> None:
    assert walk(state, Event.STOP, Event.EXIT) is State.STOPPED


def test_a_pause_or_a_quarantine_ends_on_request() -> None:
    assert advance(State.BACKOFF, Event.STOP) is State.STOPPED
    assert walk(State.CRASHED, Event.GIVE_UP, Event.RESET) is State.STOPPED
    assert walk(State.CRASHED, Event.GIVE_UP, Event.STOP) is State.STOPPED


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.STOPPED, Event.LOADED),
        (State.SPAWNED, Event.LOADED),
        (State.READY, Event.SPAWN),
        (State.STOPPING, Event.STOP),
        (State.STOPPING, Event.SPAWN),
        (State.CRASHED, Event.SPAWN),
        (State.QUARANTINED, Event.SPAWN),
    ],
)
def test_what_the_table_lacks_is_a_bug(state: State, event: Event) -> None:
    with pytest.raises(IllegalTransition, match=f"{event} in state {state}"):
        advance(state, event)


def test_every_state_can_be_left() -> None:
    for state in State:
        reachable = []
        for event in Event:
            try:
                reachable.append(advance(state, event))
            except IllegalTransition:
                continue
        assert reachable, state


def test_backoff_doubles_up_to_a_minute() -> None:
    assert [backoff(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff(0) == 1
    assert backoff(500) == BACKOFF_LAST


def after(*deaths: Death, record: Record | None = None) -> tuple[Record, Restart | Quarantine]:
    record = record or Record()
    decision: Restart | Quarantine = Restart(0)
    for death in deaths:
        record = record.after(death)
        decision = decide(record, death.cause)
    return record, decision


def pauses(*deaths: Death) -> list[float]:
    record, found = Record(), []
    for death in deaths:
        record, decision = after(death, record=record)
        assert isinstance(decision, Restart)
        found.append(decision.seconds)
    return found


def test_pauses_grow_while_service_is_short() -> None:
    assert pauses(*[Death(FAULT, 0.0)] * 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pauses(*[Death(KILLED, 0.0)] * 9) == [1, 1, 1, 2, 2, 4, 4, 8, 8]


def test_service_makes_up_for_crashes() -> None:
    assert pauses(*[Death(FAULT, FORGIVEN_AFTER)] * 50) == [1] * 50
    assert pauses(*[Death(FAULT, FORGIVEN_AFTER / 2)] * 5) == [1, 1, 2, 2, 4]
    record, _ = after(*[Death(FAULT, 0.0)] * 9)
    for served, seconds in ((9, 1), (3, 60), (6, 8)):
        assert after(Death(FAULT, served * FORGIVEN_AFTER), record=record)[1] == Restart(seconds)


def test_a_worker_that_was_ready_is_never_lost() -> None:
    record = Record()
    for served in [0.0, None, None, 0.1, None, None] * 20:  # two failed starts, then it is ready again
        record, decision = after(Death(FAULT, served), record=record)
        assert isinstance(decision, Restart)
        assert decision.seconds <= BACKOFF_LAST


def test_three_failed_starts_in_a_row_are_quarantine() -> None:
    assert after(*[Death(FAULT, None)] * 2)[1] == Restart(2)
    assert after(*[Death(FAULT, None)] * 3)[1] == Quarantine(QUARANTINE_FIRST)
    assert after(*[Death(KILLED, None)] * 3)[1] == Quarantine(QUARANTINE_FIRST)  # it may never fit
    assert after(Death(FAULT, 900.0), *[Death(FAULT, None)] * 3)[1] == Quarantine(QUARANTINE_FIRST)


def test_kills_from_outside_lose_nothing() -> None:
    assert after(*[Death(TERMINATED, None)] * 50)[1] == Restart(1)
    assert after(*[Death(TERMINATED, 3.0)] * 50)[1] == Restart(1)
    assert isinstance(after(Death(FAULT, 1.0), *[Death(KILLED, None)] * 50)[1], Restart)


def test_a_configuration_that_cannot_work_is_not_tried_again_at_once() -> None:
    assert after(Death(CONFIG, None))[1] == Quarantine(QUARANTINE_FIRST)


def test_a_quarantine_is_followed_by_one_try_and_a_longer_one() -> None:
    record, decision = after(*[Death(FAULT, None)] * 3)
    waits = []
    for _ in range(6):
        assert isinstance(decision, Quarantine)
        waits.append(decision.seconds)
        record, decision = after(Death(FAULT, None), record=record.in_quarantine())
    assert waits == [600, 1200, 2400, 4800, QUARANTINE_LAST, QUARANTINE_LAST]
    record, decision = after(Death(FAULT, 1.0), record=record)  # a start that worked ends the row
    assert isinstance(decision, Restart)
    assert (record.failed_starts, record.quarantines) == (0, 0)
