"""Watches the machine's memory and acts on `pressure`: shrinks the workers' caches, unloads what idles.

What may load is asked of `may_load` by the keeper.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import psutil

from gateway.supervisor.pressure import SPAN, Level, Pressure, Reading, growth, judge, may_load
from shared.logs import get_logger

log = get_logger("gateway.memory")

LOOK = 1.0  # seconds between readings
TRIM_AGAIN = 10.0  # seconds; caches grow back while requests run
KEEP: dict[Level, float] = {"tight": 0.25, "critical": 0.0}  # of what the prefix caches may hold


class Reliever(Protocol):
    """The fleet."""

    def trim(self, keep: float) -> None:
        """Has every worker shrink its caches to this share of what they may hold."""
        ...

    async def shed(self) -> str | None:
        """Unloads the model that has idled longest; its name, None: there is none."""
        ...


def read_memory() -> tuple[int, int, int]:
    """Total and available memory, and swap in use, bytes. A system call or two: fit for the event loop."""
    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available), int(psutil.swap_memory().used)


class Relief:
    """Owns the level. `start` and `close` inside the event loop."""

    def __init__(
        self,
        reliever: Reliever,
        *,
        read: Callable[[], tuple[int, int, int]] = read_memory,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reliever = reliever
        self._read = read
        self._clock = clock
        self._sleep = sleep
        self._swaps: list[tuple[float, int]] = []
        self._trimmed = clock() - TRIM_AGAIN
        self._task: asyncio.Task[None] | None = None
        self.pressure = Pressure()
        self.reading = self._take()

    @property
    def level(self) -> Level:
        return self.pressure.level

    def may_load(self, need: int, held: int) -> bool:
        """For the keeper: `need` bytes more (negative: less), beside `held` ones."""
        return may_load(self.level, self.reading, need, held)

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="memory pressure")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> None:
        """One reading, and what follows from it."""
        self.reading = self._take()
        before, self.pressure = self.pressure, judge(self.pressure, self.reading, self._clock())
        if self.pressure.level != before.level:
            self._tell(before.level)
        if self.pressure.now in KEEP and self._is_due(worse=self.pressure.level != before.level):
            self._reliever.trim(KEEP[self.pressure.now])
        # What relief frees takes a moment to show: the held level would unload more than is needed.
        if self.pressure.now == "critical" and (model := await self._reliever.shed()):
            log.warning("unloaded under memory pressure", model=model, available=self.reading.available)

    def _is_due(self, worse: bool) -> bool:
        due = worse or self._clock() - self._trimmed >= TRIM_AGAIN
        if due:
            self._trimmed = self._clock()
        return due

    def _tell(self, before: Level) -> None:
        write = log.info if self.level == "normal" else log.warning
        found = self.reading
        write(
            "memory pressure",
            level=self.level,
            before=before,
            available=found.available,
            swap=found.swap,
            swap_growth=round(found.growth),
        )

    def _take(self) -> Reading:
        now, (total, available, swap) = self._clock(), self._read()
        self._swaps = [*((at, size) for at, size in self._swaps if now - at <= SPAN), (now, swap)]
        return Reading(total, available, swap, growth(self._swaps))

    async def _watch(self) -> None:
        while True:
            await self._sleep(LOOK)
            try:
                await self.look()
            except Exception:  # the boundary of this task: a reading that fails must not end the watch
                log.exception("memory could not be looked at")
