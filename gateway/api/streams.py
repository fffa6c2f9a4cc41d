"""What the routes read events from: one request's stream, one whose errors are renamed, or several as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Generic, Self, TypeVar

from gateway.routing.source import Source
from shared.errors import RequestError, from_code
from shared.messages import Accepted, Delta, Usage

AT_ONCE = 32  # requests of one client's request that are open at the same time

E = TypeVar("E")
Event = Accepted | Delta
Events = Source[Event]
Rename = Callable[[str | None, str], tuple[str | None, str]]


class Renamed(Generic[E]):
    """A stream whose errors name what the client sent, where the worker names what it was sent.

    `rename` takes an error's parameter and message.
    """

    def __init__(self, inner: Source[E], rename: Rename) -> None:
        self._inner = inner
        self._rename = rename

    @property
    def usage(self) -> Usage:
        return self._inner.usage

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        try:
            return await self._inner.__anext__()
        except RequestError as error:
            raise self._renamed(error) from None

    async def wait(self, seconds: float) -> bool:
        return await self._inner.wait(seconds)

    async def whole(self) -> Sequence[E]:
        try:
            return await self._inner.whole()
        except RequestError as error:
            raise self._renamed(error) from None

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _renamed(self, error: RequestError) -> RequestError:
        param, message = self._rename(error.param, error.message)
        return from_code(error.code, message, param=param, retry_after=error.retry_after)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)


class Several:
    """The streams of several requests as one: events as they come, and all end when one fails or the client leaves.

    At most `AT_ONCE` are open at a time, so that one client's list doesn't fill a model's queue.
    """

    def __init__(self, opens: Sequence[Callable[[], Events]]) -> None:
        self._opens = opens
        self._opened: list[Events] = []
        self._queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._next: asyncio.Task[Event | BaseException | None] | None = None
        self._left = len(opens)

    @property
    def usage(self) -> Usage:
        found = [stream.usage for stream in self._opened]
        return Usage(**{one.name: sum(getattr(usage, one.name) for usage in found) for one in fields(Usage)})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends all of them. Idempotent."""
        tasks = [*self._tasks, *([self._next] if self._next is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while self._left:
            item = await self._item()
            self._next = None
            if isinstance(item, BaseException):
                self._left = 0
                raise item
            if item is not None:
                return item
            self._left -= 1
        raise StopAsyncIteration

    async def wait(self, seconds: float) -> bool:
        """Whether the next event is there within `seconds`."""
        done, _ = await asyncio.wait({self._item()}, timeout=seconds)
        return bool(done)

    async def whole(self) -> list[Event]:
        """All events, request by request; a worker's death replays the requests that it took along."""
        opens = iter(self._opens)
        found: list[list[Event]] = [[] for _ in self._opens]
        places = iter(found)

        async def work() -> None:
            for opened in opens:
                place = next(places)
                async with self._open(opened) as stream:
                    place.extend(await stream.whole())

        self._tasks = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(self._opens)))]
        await asyncio.gather(*self._tasks)
        return [event for events in found for event in events]

    def _item(self) -> asyncio.Task[Event | BaseException | None]:
        """What comes next, while it comes. The first call opens the streams."""
        if not self._tasks:
            opens = iter(self._opens)

            async def work() -> None:
                for opened in opens:
                    await self._pump(opened)

            self._tasks = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(self._opens)))]
        if self._next is None:
            self._next = asyncio.create_task(self._queue.get())
        return self._next

    async def _pump(self, opened: Callable[[], Events]) -> None:
        try:
            async with self._open(opened) as stream:
                async for event in stream:
                    self._queue.put_nowait(event)
        except Exception as error:  # a task's boundary: whoever reads the events raises it
            self._queue.put_nowait(error)
        else:
            self._queue.put_nowait(None)

    def _open(self, opened: Callable[[], Events]) -> Events:
        stream = opened()
        self._opened.append(stream)
        return stream
