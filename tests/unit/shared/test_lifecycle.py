"""shared/lifecycle: the table of a worker's life and the policy of its restarts."""

import pytest

from shared.lifecycle import BACKOFF_LAST, CRASH_WINDOW, Event, IllegalTransition, State, advance, backoff, gives_up


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


def test_three_crashes_in_ten_minutes_are_too_many() -> None:
    assert not gives_up([0, 1], now=2)
    assert gives_up([0, 1, 2], now=2)
    assert gives_up([0, 1, CRASH_WINDOW], now=CRASH_WINDOW)
    assert not gives_up([0, 1, CRASH_WINDOW + 0.5], now=CRASH_WINDOW + 0.5)
