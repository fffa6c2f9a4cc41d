"""A worker's life as a table, and the policy of its restarts. Values in, a decision out.

STOPPED → SPAWNED → LOADING → READY → DRAINING → STOPPING → STOPPED
exit, hang or load deadline:  CRASHED → BACKOFF (1, 2, 4 … 60 s) → SPAWNED
three crashes in ten minutes: CRASHED → QUARANTINED, until an operator or a config reload
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class State(StrEnum):
    STOPPED = "stopped"
    SPAWNED = "spawned"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    CRASHED = "crashed"
    BACKOFF = "backoff"
    QUARANTINED = "quarantined"


class Event(StrEnum):
    SPAWN = "spawn"  # a process was started
    HELLO = "hello"  # it speaks
    LOADED = "loaded"  # it said Ready
    DRAIN = "drain"  # finish what runs
    STOP = "stop"  # end now
    EXIT = "exit"  # the process was reaped
    FAULT = "fault"  # a hang or a missed deadline; the process is being killed
    WAIT = "wait"  # restart after a pause
    GIVE_UP = "give_up"  # too many crashes
    RESET = "reset"  # an operator or a reload


S, E = State, Event
_LIVE = (S.SPAWNED, S.LOADING, S.READY, S.DRAINING)
_TABLE: dict[tuple[State, Event], State] = {
    (S.STOPPED, E.SPAWN): S.SPAWNED,
    (S.BACKOFF, E.SPAWN): S.SPAWNED,
    (S.SPAWNED, E.HELLO): S.LOADING,
    (S.LOADING, E.LOADED): S.READY,
    (S.READY, E.DRAIN): S.DRAINING,
    **{(state, E.STOP): S.STOPPING for state in _LIVE},
    **{(state, E.EXIT): S.CRASHED for state in _LIVE},
    **{(state, E.FAULT): S.CRASHED for state in _LIVE},
    (S.STOPPING, E.EXIT): S.STOPPED,
    (S.CRASHED, E.WAIT): S.BACKOFF,
    (S.CRASHED, E.GIVE_UP): S.QUARANTINED,
    (S.CRASHED, E.RESET): S.STOPPED,
    (S.BACKOFF, E.STOP): S.STOPPED,
    (S.QUARANTINED, E.STOP): S.STOPPED,
    (S.QUARANTINED, E.RESET): S.STOPPED,
}

BACKOFF_FIRST = 1.0  # seconds
BACKOFF_LAST = 60.0
CRASHES_ALLOWED = 3
CRASH_WINDOW = 600.0  # seconds


class IllegalTransition(Exception):
    """A bug in the caller: the table has no such edge."""


def advance(state: State, event: Event) -> State:
    """The state after `event`. Raises IllegalTransition where the table has no edge."""
    try:
        return _TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} in state {state}") from None


def backoff(crashes: int) -> float:
    """Seconds to wait before restart number `crashes` (1, 2, …) of a streak."""
    return float(min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** max(0, crashes - 1)))


def gives_up(crash_times: Sequence[float], now: float) -> bool:
    """Whether the crashes (seconds on the clock of `now`) within the window are too many."""
    return sum(now - at <= CRASH_WINDOW for at in crash_times) >= CRASHES_ALLOWED
