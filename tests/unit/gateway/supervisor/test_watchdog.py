from dataclasses import replace

import pytest

from gateway.supervisor.watchdog import FATAL_GRACE, LONGEST_STEP, Limits, Vitals, cause_of, diagnose, is_hung
from shared.lifecycle import Cause, State

LIMITS = Limits(load_timeout=600, hang_timeout=120)


def working(progressed: float, moved: float = 0, requests: int = 1) -> Vitals:
    return Vitals(State.READY, 0, progressed, requests, moved=moved)


@pytest.mark.parametrize(
    ("open_requests", "progress", "hung"), [(0, 0, False), (1, 881, False), (1, 880, False), (1, 879, True)]
)
def test_a_hang_is_requests_without_progress(open_requests: int, progress: float, hung: bool) -> None:
    assert is_hung(working(progress, requests=open_requests), now=1000, timeout=120) is hung


def test_a_slow_step_that_moves_is_no_hang_but_none_may_last_for_ever() -> None:
    assert not is_hung(working(progressed=0, moved=880), now=1000, timeout=120)
    assert is_hung(working(progressed=0, moved=879), now=1000, timeout=120)
    longest = LONGEST_STEP * 120
    assert not is_hung(working(progressed=0, moved=longest), now=longest, timeout=120)
    assert is_hung(working(progressed=0, moved=longest), now=longest + 1, timeout=120)


def test_a_loading_worker_is_judged_by_its_deadline_only() -> None:
    for state in (State.SPAWNED, State.LOADING):
        assert diagnose(Vitals(state, load_started=400, progressed=0, open_requests=3), LIMITS, now=1000) is None
        assert diagnose(Vitals(state, load_started=399, progressed=1000, open_requests=0), LIMITS, now=1000) is not None


def test_a_ready_worker_is_judged_by_its_progress() -> None:
    ready = Vitals(State.READY, load_started=0, progressed=800, open_requests=1)
    assert "no progress" in str(diagnose(ready, LIMITS, now=1000))
    idle = Vitals(State.READY, load_started=0, progressed=800, open_requests=0)
    assert diagnose(idle, LIMITS, now=1000) is None


def test_fatal_is_a_promise_to_end() -> None:
    said = Vitals(State.LOADING, load_started=1000, progressed=1000, open_requests=0, fatal=1000)
    assert diagnose(said, LIMITS, now=1000 + FATAL_GRACE) is None
    assert diagnose(said, LIMITS, now=1001 + FATAL_GRACE) is not None


def test_a_worker_that_gives_no_sign_of_life_is_dead_idle_or_not() -> None:
    idle = Vitals(State.READY, load_started=0, progressed=1000, open_requests=0, silent=120)
    assert diagnose(idle, LIMITS, now=1000) is None
    assert "no sign of life" in str(diagnose(replace(idle, silent=121), LIMITS, now=1000))
    loading = replace(idle, state=State.LOADING, load_started=900, silent=1000)  # an import may hold the GIL
    assert diagnose(loading, LIMITS, now=1000) is None


@pytest.mark.parametrize(
    ("status", "terminated", "fatal", "cause"),
    [
        (1, False, None, Cause.FAULT),
        (0, False, None, Cause.FAULT),
        (-11, False, None, Cause.FAULT),
        (None, False, None, Cause.FAULT),  # we killed it: a hang
        (None, True, None, Cause.FAULT),
        (-9, False, None, Cause.KILLED),
        (-15, False, None, Cause.TERMINATED),
        (0, True, None, Cause.TERMINATED),
        (-9, True, None, Cause.TERMINATED),
        (1, False, "config_error", Cause.CONFIG),
        (1, False, "step_failed", Cause.FAULT),
        (-9, False, "out_of_memory", Cause.FAULT),
    ],
)
def test_why_it_ended(status: int | None, terminated: bool, fatal: str | None, cause: Cause) -> None:
    assert cause_of(status, terminated, fatal) is cause
