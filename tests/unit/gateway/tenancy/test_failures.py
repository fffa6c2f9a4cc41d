from __future__ import annotations

from gateway.tenancy.failures import KEPT, Failure, Failures
from tests.fakes.clock import FakeClock


def test_the_newest_come_first_and_the_oldest_go() -> None:
    clock = FakeClock(100.0)
    failures = Failures(clock)
    for number in range(KEPT + 2):
        clock.now += 1
        failures.note("worker_lost", key="ana", model=f"m{number}", endpoint="/v1/embeddings")
    latest = failures.latest()
    assert len(latest) == KEPT
    assert latest[0] == Failure(100.0 + KEPT + 2, "ana", f"m{KEPT + 1}", "/v1/embeddings", "worker_lost")
    assert latest[-1].model == "m2"


def test_what_ended_well_or_because_the_client_left_is_no_failure() -> None:
    failures = Failures(FakeClock())
    for outcome in ("stop", "length", "tool_calls", "finished", "cancelled"):
        failures.note(outcome, key="", model="m", endpoint="")
    assert failures.latest() == ()
