"""Threads that work beside the engine: decoding ahead, aligning words.

Tasks run first come first served; outcomes wait in one queue until the engine thread collects them between steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

Task = Callable[[], Any]
Done = Callable[[Any], None]
"""Called on the engine thread with what the task returned, or the exception that it raised."""


class Background:
    """Daemon threads: the interpreter must not wait for a stuck decoder at exit."""

    def __init__(self, threads: int = 2) -> None:
        self._tasks: SimpleQueue[tuple[Task, Done] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Done, Any]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"listen-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, done: Done) -> None:
        self._tasks.put((task, done))

    def collect(self, patience: float = 0.0) -> None:
        """Engine thread: hands every outcome to its `done`; waits up to `patience` seconds for the first."""
        try:
            outcome = self._outcomes.get(timeout=patience) if patience else self._outcomes.get_nowait()
            while True:
                done, value = outcome
                done(value)
                outcome = self._outcomes.get_nowait()
        except Empty:
            return

    def close(self) -> None:
        for _ in self._threads:
            self._tasks.put(None)

    def _run(self) -> None:
        while (job := self._tasks.get()) is not None:
            task, done = job
            try:
                value = task()
            except Exception as error:  # the thread's boundary: the engine decides what the request is told
                value = error
            self._outcomes.put((done, value))
