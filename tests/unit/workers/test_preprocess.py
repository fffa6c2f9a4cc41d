from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import SimpleQueue

from shared.errors import InvalidRequest
from shared.messages import Count, Failed, Prompt, Work
from workers.preprocess import Prepared, Preprocessor


def test_outcomes_carry_the_ticket_and_the_value() -> None:
    done: SimpleQueue[Prepared] = SimpleQueue()
    pool = Preprocessor(lambda work, blobs: (work.request, len(blobs)), done.put)
    pool.submit(5, Count("a", Prompt()), [memoryview(b"x")])
    assert done.get(timeout=20) == Prepared("a", 5, ("a", 1))
    pool.close()


def test_a_refusal_names_its_parameter_and_another_exception_tells_nothing() -> None:
    def prepare(work: Work, blobs: Sequence[memoryview]) -> None:
        raise InvalidRequest("no", param="stop") if work.request == "a" else ValueError("quotes the prompt")

    done: SimpleQueue[Prepared] = SimpleQueue()
    pool = Preprocessor(prepare, done.put)
    pool.submit(1, Count("a", Prompt()), [])
    pool.submit(2, Count("b", Prompt()), [])
    assert done.get(timeout=20).failure == Failed("a", "invalid_value", "no", "stop")
    failure = done.get(timeout=20).failure
    assert failure is not None
    assert failure.code == "internal_error"
    assert "prompt" not in failure.message
    pool.close()


def test_a_dropped_job_that_waits_never_runs() -> None:
    started, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def prepare(work: Work, blobs: Sequence[memoryview]) -> None:
        ran.append(work.request)
        started.set()
        release.wait(20)

    done: SimpleQueue[Prepared] = SimpleQueue()
    pool = Preprocessor(prepare, done.put)
    for ticket, request in enumerate("abc"):
        pool.submit(ticket, Count(request, Prompt()), [])
    assert started.wait(20)
    pool.drop(1)
    release.set()
    assert [done.get(timeout=20).request for _ in range(2)] == ["a", "c"]
    assert ran == ["a", "c"]
    pool.close()


def test_threads_end_after_close() -> None:
    pool = Preprocessor(lambda *_: None, lambda _: None, threads=3)
    pool.close()
    for thread in pool._threads:
        thread.join(20)
        assert not thread.is_alive()
