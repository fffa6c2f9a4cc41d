"""Threads beside the engine: outcomes come back where they are collected."""

import threading
from typing import Any

from workers.transcription.background import Background


def test_outcomes_and_exceptions_are_handed_over_on_the_collecting_thread() -> None:
    background, seen, error = Background(threads=1), list[tuple[Any, str]](), ValueError("no")

    def fail() -> None:
        raise error

    def done(value: Any) -> None:
        seen.append((value, threading.current_thread().name))

    background.submit(lambda: threading.current_thread().name, done)
    background.submit(fail, done)
    while len(seen) < 2:
        background.collect(patience=5.0)
    here = threading.current_thread().name
    assert seen == [("listen-0", here), (error, here)]
    background.close()
    background._threads[0].join(5)
    assert not background._threads[0].is_alive()


def test_collect_doesn_t_wait_unless_asked_to() -> None:
    background, hold, seen = Background(threads=1), threading.Event(), list[Any]()
    background.submit(hold.wait, seen.append)
    background.collect()
    assert seen == []
    hold.set()
    background.collect(patience=5.0)
    assert seen == [True]
    background.close()
