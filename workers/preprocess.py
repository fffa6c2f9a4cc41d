"""The preprocessing threads: templates, tokenising and media decoding, away from the model's steps.

Daemon threads, not a ThreadPoolExecutor: the interpreter would wait for a stuck one at exit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from shared.logs import get_logger
from shared.messages import Failed, Work
from workers.failures import failure_of

_log = get_logger("workers.preprocess")

Prepare = Callable[[Work, Sequence[memoryview]], Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome of preprocessing: what the engine's `prepare` returned, or the request's ending."""

    request: str
    ticket: int
    value: Any = None
    failure: Failed | None = None


class Preprocessor:
    """Runs `prepare` for one job after the other and hands each outcome to `done`, on the pool's thread."""

    def __init__(self, prepare: Prepare, done: Callable[[Prepared], None], threads: int = 1) -> None:
        self._prepare = prepare
        self._done = done
        self._jobs: dict[int, tuple[Work, Sequence[memoryview]]] = {}
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"prepare-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, ticket: int, work: Work, blobs: Sequence[memoryview]) -> None:
        self._jobs[ticket] = (work, blobs)
        self._queue.put(ticket)

    def drop(self, ticket: int) -> None:
        """A job that still waits never runs; one that runs ends and its outcome is the caller's to discard."""
        self._jobs.pop(ticket, None)

    def close(self) -> None:
        """Lets the threads end after their present job; doesn't wait for them."""
        self._jobs.clear()
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (ticket := self._queue.get()) is not None:
            job = self._jobs.pop(ticket, None)  # dict.pop is atomic: `drop` needs no lock
            if job is not None:
                self._done(self._outcome(ticket, *job))

    def _outcome(self, ticket: int, work: Work, blobs: Sequence[memoryview]) -> Prepared:
        try:
            return Prepared(work.request, ticket, self._prepare(work, blobs))
        except Exception as error:  # the request's boundary
            return Prepared(work.request, ticket, failure=failure_of(work.request, error, _log))
