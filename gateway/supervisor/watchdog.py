"""When a living process counts as dead. Pure: what is known of a worker in, a reason or nothing out."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from shared.errors import ConfigError
from shared.lifecycle import Cause, State

FATAL_GRACE = 5.0  # seconds that a worker has to end after it said Fatal
LONGEST_STEP = 10  # hang timeouts that one step may take, however much it moves


@dataclass(frozen=True, slots=True)
class Vitals:
    """Moments on one clock, in seconds."""

    state: State
    load_started: float  # the spawn, or the last progress of a download
    progressed: float  # the last change of Stats.steps, the last answer, or the last moment without open requests
    open_requests: int
    fatal: float | None = None  # when it said Fatal
    moved: float = 0.0  # the last change of Stats.beats
    silent: float = 0.0  # seconds since its last pulse


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    load_timeout: float
    hang_timeout: float


def is_hung(vitals: Vitals, now: float, timeout: float) -> bool:
    """Requests in flight, and for `timeout` seconds neither a step, nor an answer, nor a movement inside a step.

    Movement alone excuses a step for `LONGEST_STEP` times as long: one that never ends moves too.
    """
    if vitals.open_requests == 0:
        return False
    without_step, without_move = now - vitals.progressed, now - max(vitals.progressed, vitals.moved)
    return without_move > timeout or without_step > LONGEST_STEP * timeout


def diagnose(vitals: Vitals, limits: Limits, now: float) -> str | None:
    """Why the process has to be killed, or None."""
    # 1. It said that it ends and doesn't.
    if vitals.fatal is not None and now - vitals.fatal > FATAL_GRACE:
        return "did not end after a fatal error"
    # 2. It loads: only the deadline counts, loading may hold the GIL and silence the pulse.
    if vitals.state in (State.SPAWNED, State.LOADING):
        late = now - vitals.load_started > limits.load_timeout
        return f"was not ready within {limits.load_timeout:.0f} s" if late else None
    # 3. It works, or should.
    if is_hung(vitals, now, limits.hang_timeout):
        return f"made no progress for {now - vitals.progressed:.0f} s with {vitals.open_requests} requests in flight"
    # 4. It idles, or should.
    if vitals.silent > limits.hang_timeout:
        return f"gave no sign of life for {vitals.silent:.0f} s"
    return None


def cause_of(status: int | None, terminated: bool, fatal_code: str | None) -> Cause:
    """Why an incarnation ended. `status`: of its exit, None when it was killed for a reason of ours; `terminated`: it
    said that a signal from outside ends it.
    """
    if fatal_code is not None:
        return Cause.CONFIG if fatal_code == ConfigError.code else Cause.FAULT
    if status == -signal.SIGTERM or (terminated and status is not None):
        return Cause.TERMINATED
    return Cause.KILLED if status == -signal.SIGKILL else Cause.FAULT
