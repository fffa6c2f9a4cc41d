"""Events that a task of their own makes, for a consumer that may wait for them without disturbing that task."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")


class Pump(Generic[T]):
    """`produce` is started by the first look at its events, and hands them to `put`; its exception ends them.

    Cancelling a consumer that waits in `next` cancels `produce`; one that waits in `filled` leaves it alone.
    """

    def __init__(self, produce: Callable[[], Coroutine[None, None, None]]) -> None:
        self._produce = produce
        self._task: asyncio.Task[None] | None = None
        self._events: deque[T] = deque()
        self._filled = asyncio.Event()
        self._closed = False

    def put(self, event: T) -> None:
        self._events.append(event)
        self._filled.set()

    async def next(self) -> T:
        """The next event. Raises StopAsyncIteration after the last one, or what `produce` raised."""
        try:
            await self.filled()
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._events:
            return self._take()
        ended, self._closed = self._closed, True
        if not ended and self._task is not None:
            self._task.result()
        raise StopAsyncIteration

    async def filled(self) -> None:
        """Returns when `next` has something to say."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._produce())
            self._task.add_done_callback(lambda _: self._filled.set())
        if not self._closed:
            await self._filled.wait()

    async def close(self) -> None:
        """Cancels `produce` and waits for its end; what it made and nobody took is dropped. Idempotent."""
        self._closed = True
        self._events.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _take(self) -> T:
        event = self._events.popleft()
        if not self._events and self._task is not None and not self._task.done():
            self._filled.clear()
        return event
