"""When a living process counts as dead. Pure: what is known of a worker in, a reason or nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import ConfigError
from shared.lifecycle import CRASH_WINDOW, State, backoff, gives_up

FATAL_GRACE = 5.0  # seconds that a worker has to end after it said Fatal


@dataclass(frozen=True, slots=True)
class Vitals:
    """Moments on one clock, in seconds."""

    state: State
    load_started: float  # the spawn, or the last progress of a download
    progressed: float  # the last change of Stats.steps, the last answer, or the last moment without open requests
    open_requests: int
    fatal: float | None = None  # when it said Fatal


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    load_timeout: float
    hang_timeout: float


def is_hung(open_requests: int, last_progress_at: float, now: float, timeout: float) -> bool:
    """Requests in flight and nothing moves: neither a step nor an answer for `timeout` seconds."""
    return open_requests > 0 and now - last_progress_at > timeout


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
    if is_hung(vitals.open_requests, vitals.progressed, now, limits.hang_timeout):
        return f"made no progress for {limits.hang_timeout:.0f} s with {vitals.open_requests} requests in flight"
    return None


def restart_delay(fatal_code: str | None, crash_times: Sequence[float], now: float) -> float | None:
    """Seconds to wait before the restart, or None for quarantine. `crash_times` includes the crash of `now`."""
    if fatal_code == ConfigError.code or gives_up(crash_times, now):
        return None
    return backoff(sum(now - at <= CRASH_WINDOW for at in crash_times))
