"""One incarnation of a worker: what it said so far, and the inbox that its owner reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.bus.router import Report
from gateway.supervisor.process import Process
from gateway.supervisor.pulse import Pulse
from gateway.supervisor.watchdog import Vitals
from shared.lifecycle import State
from shared.spec import WorkerSpec


class Nudge(Enum):
    TICK = auto()  # look at the vitals
    COMMAND = auto()  # somebody wants it up or down
    UNREACHABLE = auto()  # a frame could not be sent


@dataclass(frozen=True, slots=True)
class Exited:
    status: int  # negative: the signal


Event = Report | Nudge | Exited


class Life:
    """Listens to the bus for one identity. Reports wait in `inbox`; the moment of progress is noted at once."""

    def __init__(self, spec: WorkerSpec, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.identity = spec.identity
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.pulse = Pulse()
        self.process: Process | None = None
        self.load_started = self.last_progress = clock()
        self.fatal_at: float | None = None
        self.fatal_code: str | None = None
        self.said_bye = False
        self.exited = False
        self._clock = clock

    def received(self, report: Report) -> None:
        self.inbox.put_nowait(report)

    def progressed(self) -> None:
        self.last_progress = self._clock()

    def unreachable(self) -> None:
        self.inbox.put_nowait(Nudge.UNREACHABLE)

    @property
    def gave_reason(self) -> bool:
        return self.said_bye or self.fatal_at is not None

    def vitals(self, state: State, open_requests: int) -> Vitals:
        """For the watchdog; without open requests standing still is no hang."""
        if open_requests == 0:
            self.progressed()
        return Vitals(state, self.load_started, self.last_progress, open_requests, self.fatal_at)

    async def watch_exit(self, process: Process) -> None:
        """A reaped exit is death now."""
        status = await process.wait()
        self.exited = True
        self.inbox.put_nowait(Exited(status))
