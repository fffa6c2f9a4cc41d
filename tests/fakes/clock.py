"""Time that passes when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools


async def settle(turns: int = 25) -> None:
    """Lets everything that can run, run."""
    for _ in range(turns):
        await asyncio.sleep(0)


class FakeClock:
    """Call it for the time; hand `sleep` to whoever sleeps."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Wakes every sleeper that is due on the way, in order."""
        end = self.now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await settle()
        self.now = end
        await settle()
