"""Responses that go on without their client: one task each, whose events anyone may follow.

A run is written down when it begins and when it has ended, whatever ends it; what a killed gateway leaves behind is
failed by the next one (`database`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from gateway.dialects.openai.responses.answer import Answer
from gateway.dialects.openai.responses.events import Numbered
from gateway.mcp.source import AnswerSource
from gateway.responses.record import Payload, Record
from gateway.responses.store import ResponseStore
from gateway.tenancy.current import current
from shared.errors import InternalError, ModelUnavailable, Overloaded, RequestError
from shared.logs import get_logger

log = get_logger("gateway.responses")

MAX_RUNS = 1024


class Run:
    """One response in the background. The events of one that was asked for as a stream are kept for who comes late."""

    def __init__(self, answer: Answer, items: tuple[Payload, ...], *, keep_events: bool) -> None:
        """`keep_events`: it was asked for as a stream."""
        self.answer = answer
        self.events: list[Payload] = []
        self.ended = False
        self._items = items
        self._key = current().name
        self.keeps_events = keep_events
        self._number = Numbered()
        self._news = asyncio.Event()

    def record(self) -> Record:
        events = tuple(self.events) if self.ended else ()
        return Record(self.answer.response(), self._items, events, self._key)

    def add(self, payloads: list[Payload]) -> None:
        if payloads and self.keeps_events:
            self.events += self._number(payloads)
            self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    async def follow(self, after: int) -> AsyncIterator[Payload]:
        """Events with a number above `after`, to the last one."""
        position = after + 1
        while True:
            news = self._news
            while position < len(self.events):
                yield self.events[position]
                position += 1
            if self.ended:
                return
            await news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Runs:
    """Those of one node."""

    def __init__(self, store: ResponseStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def get(self, response_id: str) -> Run | None:
        return self._runs.get(response_id)

    async def start(self, response_id: str, run: Run, open_source: Callable[[], AnswerSource]) -> Record:
        """What is written down of the run, which goes on from there.

        Raises Overloaded, InternalError when it can't be written down, or what `open_source` raises.
        """
        if len(self._runs) >= MAX_RUNS:
            raise Overloaded(f"There are {MAX_RUNS} responses in the background already.", param="background")
        source = open_source()
        run.add(run.answer.queue())
        self._runs[response_id] = run
        queued = run.record()
        try:
            await self._store.save(queued)
        except BaseException:
            del self._runs[response_id]
            async with source:  # which ends it
                raise
        begun = asyncio.Event()
        self._tasks[response_id] = asyncio.create_task(self._play(response_id, run, source, begun))
        await begun.wait()  # a task that is cancelled before it has begun ends without a word
        return queued

    async def cancel(self, response_id: str) -> bool:
        """Whether it was running; returns once it is written down."""
        task = self._tasks.get(response_id)
        if task is None:
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True

    async def close(self) -> None:
        """The node stops: what runs has failed."""
        self._closing = True
        for response_id in list(self._tasks):
            await self.cancel(response_id)

    async def _play(self, response_id: str, run: Run, source: AnswerSource, begun: asyncio.Event) -> None:
        begun.set()
        try:
            async with source:
                await self._events(run, source)
        except asyncio.CancelledError:
            self._interrupt(run, source)
        except RequestError as error:
            run.add(run.answer.fail(error, source.usage))
        except Exception:  # the run's boundary: nobody waits for it, so it has to say so itself
            log.exception("unexpected error in a background response", response=response_id)
            run.add(run.answer.fail(InternalError("The server had an error."), source.usage))
        finally:
            await self._finish(response_id, run)

    async def _events(self, run: Run, source: AnswerSource) -> None:
        async for event in source:
            if run.answer.status == "queued":
                run.add(run.answer.start())
            run.add(run.answer.feed(event))
        run.add(run.answer.end(source.usage, int(self._clock())))

    def _interrupt(self, run: Run, source: AnswerSource) -> None:
        if self._closing:
            run.add(run.answer.fail(ModelUnavailable("The node was stopped."), source.usage))
        else:
            run.answer.cancel(source.usage)

    async def _finish(self, response_id: str, run: Run) -> None:
        run.ended = True
        saved = asyncio.wrap_future(self._store.save_soon(run.record()))
        try:
            await asyncio.shield(saved)
        except InternalError:
            log.error("a background response is lost", response=response_id)  # the store has said why
        finally:
            run.end()
            del self._runs[response_id], self._tasks[response_id]
