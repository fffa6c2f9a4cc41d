"""One incarnation of a worker: what it said so far, and the inbox that its owner reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.bus.router import Report
from gateway.supervisor.process import Process
from gateway.supervisor.pulse import Moves, Pulse
from gateway.supervisor.watchdog import Vitals
from shared.lifecycle import State
from shared.messages import Stats
from shared.spec import WorkerSpec

TICK = 1.0  # seconds between looks at the vitals


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
        self.load_started = self.last_progress = self.last_move = clock()
        self.ready_since: float | None = None
        self.silent_looks = 0  # looks at the vitals since its last pulse
        self.fatal_at: float | None = None
        self.fatal_code: str | None = None
        self.said_bye = self.terminated = False
        self.exited = False
        self._clock = clock

    def received(self, report: Report) -> None:
        self.inbox.put_nowait(report)

    def progressed(self) -> None:
        self.last_progress = self._clock()

    def beat(self, stats: Stats) -> None:
        """A pulse has come."""
        self.silent_looks = 0
        moves = self.pulse.beat(stats, self._clock())
        if moves is Moves.STEP:
            self.progressed()
        elif moves is Moves.INSIDE:
            self.last_move = self._clock()

    @property
    def served(self) -> float | None:
        """Seconds that it has been ready, None: it never was."""
        return None if self.ready_since is None else self._clock() - self.ready_since

    def unreachable(self) -> None:
        self.inbox.put_nowait(Nudge.UNREACHABLE)

    @property
    def gave_reason(self) -> bool:
        return self.said_bye or self.fatal_at is not None

    def vitals(self, state: State, open_requests: int) -> Vitals:
        """For the watchdog; without open requests standing still is no hang."""
        if open_requests == 0:
            self.progressed()
        silent = self.silent_looks * TICK
        return Vitals(
            state, self.load_started, self.last_progress, open_requests, self.fatal_at, self.last_move, silent
        )

    async def watch_exit(self, process: Process) -> None:
        """A reaped exit is death now."""
        status = await process.wait()
        self.exited = True
        self.inbox.put_nowait(Exited(status))
