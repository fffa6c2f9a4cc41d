"""The loop around an engine. Three kinds of threads meet here, and only through queues:

    engine         the process's main thread: creates, loads, warms up, steps and closes the engine. MLX lives here,
                   and so does the ledger of open requests
    io             the link: delivers messages into the inbox, sends what it is given
    preprocessing  runs the engine's `prepare` and puts the outcome into the inbox

The inbox is read between steps, so that the batch changes between steps only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from shared.errors import Cancelled, MlxGatewayError, ShuttingDown
from shared.logs import get_logger
from shared.messages import (
    Accepted,
    Bye,
    Cancel,
    Delta,
    Down,
    Drain,
    Failed,
    Fatal,
    Loading,
    Stats,
    Step,
    Stop,
    Trim,
    Up,
    Usage,
    Work,
)
from shared.spec import WorkerSpec
from workers.engine import Engine, Progress
from workers.failures import failed, failure_of
from workers.ledger import Ledger, Phase
from workers.preprocess import Prepared, Preprocessor

_log = get_logger("workers.runtime")

Host = Callable[[WorkerSpec, Progress], tuple[Engine[Any], WorkerSpec]]
"""Makes the engine for a specification and says what it is to load; runs on the engine thread."""


class Outbox(Protocol):
    """What the runtime needs of a link."""

    def send(self, message: Up) -> None: ...

    def publish(self, stats: Stats) -> None: ...


class Runtime:
    def __init__(self, spec: WorkerSpec, host: Host, link: Outbox) -> None:
        self._spec = spec
        self._host = host
        self._link = link
        self._inbox: SimpleQueue[tuple[Down, Sequence[memoryview]] | Prepared] = SimpleQueue()
        self._ledger = Ledger()
        self._answers: list[Accepted | Delta] = []  # settled, not yet sent
        self._draining = self._silent = False
        self._deadline: float | None = None  # on time.monotonic; set by Stop
        self.loading = True

    def deliver(self, message: Down, blobs: Sequence[memoryview] = ()) -> None:
        """From any thread: what the gateway sent."""
        self._inbox.put((message, blobs))

    @property
    def preparing(self) -> bool:
        """Whether a request is in preprocessing; from any thread."""
        return self._ledger.preparing > 0

    def run(self) -> int:
        """Loads the model and serves until `Stop`. Returns the process's exit code: 0, or 1 after `Fatal`."""
        engine = self._load()
        if engine is None:
            return 1
        try:
            self._serve(engine)
            engine.close()
        except Exception as error:  # the process's boundary: the engine's state can't be trusted any more
            _log.exception("the engine broke", error=type(error).__name__)
            self._link.send(Fatal("step_failed", f"the engine broke: {_describe(error)}"))
            return 1
        self._link.send(Bye("stopped"))
        _log.info("stopped")
        return 0

    def _load(self) -> Engine[Any] | None:
        started = time.monotonic()
        try:
            engine, spec = self._host(self._spec, self._progress)
            ready = engine.load(spec, self._progress)
        except Exception as error:  # the process's boundary
            fatal = _load_failure(self._spec, error)
            report = _log.error if isinstance(error, MlxGatewayError) else _log.exception
            report("the model can't be loaded", code=fatal.code, reason=fatal.message)
            self._link.send(fatal)
            return None
        self.loading = False
        seconds = round(time.monotonic() - started, 3)
        self._link.send(replace(ready, load_seconds=ready.load_seconds or seconds))
        _log.info("ready", kind=ready.kind, device=ready.device, context=ready.context, seconds=seconds)
        return engine

    def _progress(self, stage: str, fraction: float | None, detail: str) -> None:
        self._link.send(Loading(stage, fraction, detail))

    def _serve(self, engine: Engine[Any]) -> None:
        threads = getattr(engine, "preprocess_threads", 1)
        pool = Preprocessor(engine.prepare, self._inbox.put, threads)
        try:
            while not self._done():
                self._publish(engine)
                self._read_inbox(engine, pool)
                self._send()
                if engine.busy and not self._done():
                    self._publish(engine)  # a step may never return: what it works on must be known
                    self._settle(engine.step())
                    self._send()
            self._fail_the_rest(engine)
        finally:
            pool.close()

    # ------------------------------------------------------------------ the inbox
    def _read_inbox(self, engine: Engine[Any], pool: Preprocessor) -> None:
        """Takes everything that has arrived; waits for something while there is no step to do."""
        try:
            event = self._inbox.get(block=not engine.busy, timeout=self._patience())
            while True:
                self._handle(event, engine, pool)
                event = self._inbox.get_nowait()
        except Empty:
            return

    def _handle(
        self, event: tuple[Down, Sequence[memoryview]] | Prepared, engine: Engine[Any], pool: Preprocessor
    ) -> None:
        if isinstance(event, Prepared):
            self._admit(event, engine)
            return
        match event:
            case Cancel(request), _:
                self._cancel(request, engine, pool)
            case Trim(keep), _:
                engine.trim(keep)
                _log.info("caches trimmed", keep=keep)
            case Drain(), _:
                self._draining = True
            case Stop(grace, silent), _:
                self._silent |= silent
                self._stop(grace)
            case work, blobs:
                self._open(work, blobs, pool)

    def _open(self, work: Work, blobs: Sequence[memoryview], pool: Preprocessor) -> None:
        ticket = self._ledger.open(work.request)
        if ticket is None:
            # An answer would look like the ending of the request that holds the id.
            _log.error("refused: the request's id is already open", request=work.request)
        elif self._silent:
            return
        elif self._draining:
            self._settle([failed(work.request, ShuttingDown("the worker is shutting down"))])
        else:
            pool.submit(ticket, work, blobs)

    def _admit(self, prepared: Prepared, engine: Engine[Any]) -> None:
        if not self._ledger.start(prepared.request, prepared.ticket):
            return
        if prepared.failure is not None:
            self._settle([prepared.failure])
            return
        try:
            self._settle(engine.admit(prepared.value))
        except Exception as error:  # the request's boundary
            self._settle([failure_of(prepared.request, error, _log)])
            engine.cancel(prepared.request)  # whatever it had taken in goes

    def _cancel(self, request: str, engine: Engine[Any], pool: Preprocessor) -> None:
        ticket = self._ledger.ticket(request)
        if ticket is None:
            return
        if self._ledger.phase(request) is Phase.RUNNING:
            self._settle(engine.cancel(request))
        else:
            pool.drop(ticket)
        # A no-op where the engine has answered.
        self._settle([failed(request, Cancelled("the request was cancelled"))])

    # ------------------------------------------------------------------ the end
    def _stop(self, grace: float) -> None:
        _log.info("stopping", grace=grace, running=len(self._ledger))
        deadline = time.monotonic() + max(0.0, grace)
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
        self._draining = True

    def _done(self) -> bool:
        return self._deadline is not None and (not self._ledger or time.monotonic() >= self._deadline)

    def _patience(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _fail_the_rest(self, engine: Engine[Any]) -> None:
        for request in () if self._silent else self._ledger.requests():
            usage = _usage(engine.cancel(request)) if self._ledger.phase(request) is Phase.RUNNING else Usage()
            self._settle([failed(request, ShuttingDown("the worker was stopped before the request ended"), usage)])
        self._send()

    # ------------------------------------------------------------------ the outbox
    def _settle(self, answers: Iterable[Accepted | Delta]) -> None:
        self._answers += self._ledger.settle(answers)

    def _send(self) -> None:
        """Each `Accepted` as its own frame, then one `Step` with the deltas of all requests."""
        answers, self._answers = self._answers, []
        deltas: list[Delta] = []
        for answer in answers:
            if isinstance(answer, Accepted):
                self._link.send(answer)
            else:
                deltas.append(answer)
        if deltas:
            self._link.send(Step(tuple(deltas)))

    def _publish(self, engine: Engine[Any]) -> None:
        stats = engine.stats()
        self._link.publish(replace(stats, waiting=stats.waiting + self._ledger.preparing))


def _usage(answers: Iterable[Delta]) -> Usage:
    return next((answer.usage for answer in answers if isinstance(answer, Failed)), Usage())


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _load_failure(spec: WorkerSpec, error: Exception) -> Fatal:
    if isinstance(error, MlxGatewayError):
        return Fatal(error.code, error.message)
    # MLX reports an allocation that failed as a RuntimeError.
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate" in str(error)):
        return Fatal("out_of_memory", f"{spec.source} doesn't fit into the memory: {_describe(error)}")
    return Fatal("load_failed", f"{spec.source} can't be loaded: {_describe(error)}")
