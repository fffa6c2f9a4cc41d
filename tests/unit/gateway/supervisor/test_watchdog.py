import pytest

from gateway.supervisor.watchdog import FATAL_GRACE, Limits, Vitals, diagnose, is_hung, restart_delay
from shared.lifecycle import CRASH_WINDOW, State

LIMITS = Limits(load_timeout=600, hang_timeout=120)


@pytest.mark.parametrize(
    ("open_requests", "progress", "hung"), [(0, 0, False), (1, 881, False), (1, 880, False), (1, 879, True)]
)
def test_a_hang_is_requests_without_progress(open_requests: int, progress: float, hung: bool) -> None:
    assert is_hung(open_requests, progress, now=1000, timeout=120) is hung


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


def test_restarts_pause_longer_and_then_end() -> None:
    assert restart_delay(None, [100], 100) == 1
    assert restart_delay("step_failed", [100, 110], 110) == 2
    assert restart_delay(None, [100, 110, 120], 120) is None
    now = 100 + CRASH_WINDOW + 1
    assert restart_delay(None, [100, now - 5, now], now) == 2  # the first is forgotten


def test_a_configuration_error_is_not_tried_again() -> None:
    assert restart_delay("config_error", [100], 100) is None
