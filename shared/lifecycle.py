"""A worker's life as a table, and the policy of its restarts. Values in, a decision out.

STOPPED → SPAWNED → LOADING → READY → DRAINING → STOPPING → STOPPED
exit, hang or load deadline:        CRASHED → BACKOFF (1, 2, 4 … 60 s) → SPAWNED
never ready three times in a row,
or a configuration that can't work: CRASHED → QUARANTINED (10, 20 … 120 min) → STOPPED, where it can be asked for again;
                                    an operator or a reload ends a pause and a quarantine at once
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    GIVE_UP = "give_up"  # it can't be started
    RESET = "reset"  # an operator


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
FORGIVEN_AFTER = 3.0  # seconds of service that make up for one crash
KILL_COUNTS = 0.5  # of a crash: it may have been anybody
FAILED_STARTS = 3  # in a row
QUARANTINE_FIRST = 600.0  # seconds
QUARANTINE_LAST = 7200.0


class IllegalTransition(Exception):
    """A bug in the caller: the table has no such edge."""


def advance(state: State, event: Event) -> State:
    """The state after `event`. Raises IllegalTransition where the table has no edge."""
    try:
        return _TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} in state {state}") from None


class Cause(StrEnum):
    """Why an incarnation ended, as far as it matters to the next one."""

    FAULT = "fault"  # its own: an exit, a crash, a hang, a missed deadline
    KILLED = "killed"  # SIGKILL: somebody, or the system that was short of memory
    TERMINATED = "terminated"  # SIGTERM from outside: somebody wanted it gone, the worker is fine
    CONFIG = "config"  # the model can't be hosted as it is configured


@dataclass(frozen=True, slots=True)
class Death:
    """`served`: seconds that the incarnation was ready, None: it never was."""

    cause: Cause
    served: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """What the deaths so far have left: counts, so that it never grows."""

    crashes: float = 0.0  # not made up for by service
    failed_starts: int = 0  # in a row
    quarantines: int = 0  # in a row
    was_ready: bool = False  # ever

    def after(self, death: Death) -> Record:
        """1. Service makes up for earlier crashes, and shows that the worker can start.
        2. A termination is nobody's fault, a kill perhaps not the worker's.
        3. One that was killed while it loaded is no failed start where loading has worked before.
        """
        crashes, failed, quarantines = self.crashes, self.failed_starts, self.quarantines
        if death.served is not None:
            crashes, failed, quarantines = max(0.0, crashes - death.served / FORGIVEN_AFTER), 0, 0
        if death.cause is not Cause.TERMINATED:
            crashes += KILL_COUNTS if death.cause is Cause.KILLED else 1
            excused = death.cause is Cause.KILLED and self.was_ready
            failed += death.served is None and not excused
        return Record(crashes, failed, quarantines, self.was_ready or death.served is not None)

    def in_quarantine(self) -> Record:
        """One more quarantine; when it is over, a single failed start is the next."""
        return replace(self, failed_starts=FAILED_STARTS - 1, quarantines=self.quarantines + 1)


@dataclass(frozen=True, slots=True)
class Restart:
    """After `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Quarantine:
    """For `seconds`, unless an operator or a reload ends it."""

    seconds: float


def decide(record: Record, cause: Cause) -> Restart | Quarantine:
    """What follows a death by `cause`, which `record` includes."""
    if cause is Cause.CONFIG or record.failed_starts >= FAILED_STARTS:
        return Quarantine(min(QUARANTINE_LAST, QUARANTINE_FIRST * 2.0 ** min(record.quarantines, 20)))
    return Restart(backoff(record.crashes))


def backoff(crashes: float) -> float:
    """Seconds to wait before the restart after `crashes` (1, 2, …) that service has not made up for."""
    return float(min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(max(0, int(crashes - 1)), 20)))
