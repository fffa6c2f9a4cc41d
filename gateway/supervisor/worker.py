"""A worker's lifecycle, owned by one task; everybody else asks: `start`, `ensure_ready`, `stop`, `reset`.

The task reads as the table in shared/lifecycle: rest (STOPPED, QUARANTINED), live (SPAWNED … STOPPING), bury (CRASHED),
pause (BACKOFF). When a process is gone its requests are settled before anything else happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.bus.router import Listener, Report
from gateway.routing.admission import Refusal
from gateway.supervisor.life import Exited, Life, Nudge
from gateway.supervisor.process import Process, Sleep, Spawn, kill, spawn, stop
from gateway.supervisor.watchdog import Limits, diagnose, restart_delay
from shared.errors import ModelUnavailable, WorkerLost
from shared.lifecycle import Event, State, advance
from shared.logs import get_logger
from shared.messages import Bye, Down, Drain, Fatal, Hello, Loading, Ready, Stats, Stop, Trim
from shared.spec import WorkerSpec

log = get_logger("gateway.supervisor")

TICK = 1.0  # seconds between looks at the vitals
DRAIN_LOOK = 0.05  # seconds between looks at what still runs
ASK_GRACE = 2.0  # seconds that an idle worker has to follow Stop
LAST_WORDS = 0.25  # seconds in which a dead worker's frames may still arrive
RETRY_QUARANTINED = 60.0  # seconds, for clients


class Capacity(Protocol):
    """Whom the worker's owner tells what can be had; the dispatcher."""

    def worker_ready(self, model: str, identity: str, limit: int) -> None: ...

    def worker_leaving(self, model: str, identity: str) -> None: ...

    def worker_lost(self, model: str, identity: str, message: str, code: str = ...) -> None: ...

    def close_model(self, model: str, refusal: Refusal) -> None: ...

    def open_model(self, model: str) -> None: ...


class Bus(Protocol):
    """The router, as far as a supervisor needs it."""

    def listen(self, identity: str, listener: Listener) -> None: ...

    def forget(self, identity: str) -> None: ...

    def send(self, identity: str, message: Down) -> None: ...

    def open_on(self, identity: str) -> int: ...


class Worker:
    """One worker over all its incarnations. `model`: whose requests it serves, where that is not its own name."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        model: str | None = None,
        bus: Bus,
        capacity: Capacity,
        limits: Limits,
        grace: float,
        on_ready: Callable[[Ready], None] = lambda _: None,
        bound: Callable[[WorkerSpec], WorkerSpec] = lambda spec: spec,
        spawn: Spawn = spawn,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.model = model or spec.name
        self.state = State.STOPPED
        self.incarnation = spec.incarnation
        self.last_error: str | None = None
        self.life: Life | None = None  # the present incarnation
        self._bus = bus
        self._capacity = capacity
        self._limits = limits
        self._grace = self._present_grace = grace
        self._on_ready = on_ready
        self._bound = bound
        self._spawn = spawn
        self._clock = clock
        self._sleep = sleep
        self._log = log.bind(worker=spec.name)
        self._wanted = self._reset = False
        self._delay = 0.0  # of the present BACKOFF, seconds
        self._crash_times: list[float] = []
        self._watchers: list[Callable[[State], None]] = []
        self._command = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ verbs for everybody
    def start(self) -> None:
        """Wants it up. Idempotent; a quarantined worker stays down until `reset`."""
        self._wanted = True
        if self.state is not State.QUARANTINED:
            self._capacity.open_model(self.model)
        if self._task is None:
            self._task = asyncio.create_task(self._own(), name=f"worker {self.name}")
        self._nudge()

    async def ensure_ready(self) -> None:
        """Waits until it takes requests; who starts it is the keeper's business. Raises ModelUnavailable."""
        await self._until(lambda: self.state is not State.STOPPED or self._wanted)
        await self._until(lambda: self.state is State.READY or self._stays_down)
        if self.state is not State.READY:
            raise ModelUnavailable(f"The model `{self.model}` is {self.state}.", retry_after=RETRY_QUARANTINED)

    @property
    def _stays_down(self) -> bool:
        if self.state is State.QUARANTINED:
            return not self._reset
        return self.state is State.STOPPED and not self._wanted

    async def stop(self, grace: float | None = None) -> None:
        """Wants it down and waits for that: running requests get their grace, the process is reaped. Idempotent.

        `grace` in seconds, None: the usual one.
        """
        self._wanted = False
        self._present_grace = self._grace if grace is None else grace
        self._nudge()
        await self._until(lambda: self.state is State.STOPPED or self._wanted)

    def reset(self) -> None:
        """Lets it leave quarantine, with a clean record."""
        if self.state is State.QUARANTINED:
            self._reset = True
            self.start()

    def trim(self, keep: float) -> None:
        """Has it shrink its caches to this share of what its prefix cache may hold."""
        if self.state is State.READY and self.life is not None:
            self._tell(self.life, Trim(int(self.spec.prefix_cache * keep)))

    async def close(self, grace: float | None = None) -> None:
        """Stops it for good, together with its task; `grace` as for `stop`."""
        await self.stop(grace)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def watch(self, changed: Callable[[State], None]) -> None:
        """`changed` is called, synchronously, after every change of state."""
        self._watchers.append(changed)

    @property
    def restarts(self) -> int:
        return max(0, self.incarnation - 1)

    # ------------------------------------------------------------------ the owner
    async def _own(self) -> None:
        while True:
            try:
                if self.state is State.BACKOFF:
                    await self._pause()
                if self.state in (State.STOPPED, State.QUARANTINED):
                    await self._rest()
                await self._live()
            except Exception:  # the boundary of this worker: a mistake here must not leave requests or a process behind
                self._log.exception("the lifecycle failed")
                await self._give_up()

    async def _rest(self) -> None:
        while True:
            if self.state is State.QUARANTINED and not self._wanted:
                self._advance(Event.STOP)
            if self.state is State.QUARANTINED and self._reset:
                self._crash_times.clear()
                self._advance(Event.RESET)
                self._capacity.open_model(self.model)
            self._reset = False
            if self.state is State.STOPPED and self._wanted:
                return
            self._command.clear()
            await self._command.wait()

    async def _pause(self) -> None:
        timer = asyncio.ensure_future(self._sleep(self._delay))
        try:
            while self._wanted and not timer.done():
                self._command.clear()
                command = asyncio.ensure_future(self._command.wait())
                await asyncio.wait({timer, command}, return_when=asyncio.FIRST_COMPLETED)
                command.cancel()
        finally:
            timer.cancel()
        if not self._wanted:
            self._advance(Event.STOP)

    async def _live(self) -> None:
        """One incarnation from its spawn to its burial."""
        self.incarnation += 1
        life = self.life = Life(self._bound(replace(self.spec, incarnation=self.incarnation)), self._clock)
        self._bus.listen(life.identity, life)
        self._advance(Event.SPAWN)
        try:
            life.process = process = await self._spawn(life.spec)
        except OSError as error:
            await self._bury(life, f"could not be started: {error}")
            return
        self._log.info("spawned", identity=life.identity, pid=process.pid)
        tasks = [asyncio.create_task(life.watch_exit(process)), asyncio.create_task(self._tick(life))]
        try:
            end = await self._attend(life)
            await (self._wind_down(life, process) if end is None else self._bury(life, end))
        finally:
            for task in tasks:
                task.cancel()

    async def _attend(self, life: Life) -> str | Exited | None:
        """Until it exits, has to be killed (the reason), or is not wanted any more (None)."""
        while True:
            match await life.inbox.get():
                case Exited() as exited:
                    return exited
                case Nudge.UNREACHABLE:
                    return "could not be reached"
                case Nudge():
                    pass
                case report:
                    self._hear(life, report)
            if not self._wanted:
                return None
            vitals = life.vitals(self.state, self._bus.open_on(life.identity))
            if reason := diagnose(vitals, self._limits, self._clock()):
                return reason

    def _hear(self, life: Life, report: Report) -> None:
        match report:
            case Hello() if self.state is State.SPAWNED:
                self._advance(Event.HELLO)
            case Loading():
                # A download has no deadline of its own: as long as it moves, loading has not begun.
                if report.stage == "download" and report != life.pulse.loading:
                    life.load_started = self._clock()
                life.pulse.loading = report
            case Ready() if self.state is State.LOADING:
                life.pulse.ready = report
                self._log.info("ready", kind=report.kind, credits=report.max_inflight, seconds=report.load_seconds)
                self._advance(Event.LOADED)
                self._on_ready(report)
                self._capacity.worker_ready(self.model, life.identity, report.max_inflight)
            case Stats():
                if life.pulse.beat(report, self._clock()):
                    life.progressed()
            case Fatal():
                life.fatal_at, life.fatal_code, self.last_error = self._clock(), report.code, report.message
                self._log.error("fatal", code=report.code, error=report.message)
                self._capacity.worker_leaving(self.model, life.identity)
            case Bye():
                life.said_bye = True
            case _:
                self._log.warning("out of turn", said=type(report).__name__, state=self.state)

    async def _bury(self, life: Life, end: str | Exited) -> None:
        """After an exit, a hang or a missed deadline: requests first, then the process, then the next try."""
        message = f"The worker of `{self.model}` ended unexpectedly."
        self._capacity.worker_lost(self.model, life.identity, message, WorkerLost.code)
        if isinstance(end, Exited):
            self._advance(Event.EXIT)
            await self._last_words(life)
            reason = f"exited with status {end.status}" if end.status >= 0 else f"was killed by signal {-end.status}"
        else:
            self._advance(Event.FAULT)
            reason = end
        self._log.error("crashed", identity=life.identity, reason=reason)
        if life.fatal_at is None:
            self.last_error = reason
        if life.process is not None:
            await kill(life.process)
        self._bus.forget(life.identity)
        self.life = None
        self._judge(life.fatal_code)

    def _judge(self, fatal_code: str | None) -> None:
        now = self._clock()
        self._crash_times.append(now)
        delay = restart_delay(fatal_code, self._crash_times, now)
        if delay is not None:
            self._delay = delay
            self._advance(Event.WAIT)
            self._log.info("restarting", seconds=delay)
            return
        self._close_lane(f"The model `{self.model}` can't be started; /v1/status says why.")
        self._advance(Event.GIVE_UP)
        self._log.error("quarantined", error=self.last_error)

    async def _wind_down(self, life: Life, process: Process) -> None:
        """Stops a living worker: drain, then the ladder. Requests may wait for its return."""
        self._capacity.worker_leaving(self.model, life.identity)
        if self.state is State.READY:
            self._advance(Event.DRAIN)
            self._tell(life, Drain())
            began = self._clock()
            while (running := self._bus.open_on(life.identity)) and not life.exited:
                if self._clock() - began >= self._present_grace:  # a later `stop` may have less patience
                    break
                if reason := diagnose(life.vitals(self.state, running), self._limits, self._clock()):
                    self._log.error("hung while draining", identity=life.identity, reason=reason)
                    break
                await self._sleep(DRAIN_LOOK)
        self._advance(Event.STOP)
        status = await stop(process, self.name, lambda: self._tell(life, Stop(0.0)), ASK_GRACE, self._sleep)
        message = f"The model `{self.model}` was stopped."
        self._capacity.worker_lost(self.model, life.identity, message, ModelUnavailable.code)
        self._bus.forget(life.identity)
        self.life = None
        self._log.info("stopped", identity=life.identity, status=status)
        self._advance(Event.EXIT)

    async def _last_words(self, life: Life) -> None:
        """Frames that were under way when it died; they may say why."""
        timer = asyncio.ensure_future(self._sleep(LAST_WORDS))
        try:
            while not life.gave_reason:
                word = asyncio.ensure_future(life.inbox.get())
                await asyncio.wait({timer, word}, return_when=asyncio.FIRST_COMPLETED)
                if not word.done():
                    word.cancel()
                    return
                if isinstance(report := word.result(), Fatal | Bye):
                    self._hear(life, report)
        finally:
            timer.cancel()

    async def _give_up(self) -> None:
        """After a bug in this file: settle, kill, quarantine."""
        if life := self.life:
            self._capacity.worker_lost(self.model, life.identity, "The gateway lost track of the worker.")
            if life.process is not None:
                await kill(life.process)
            self._bus.forget(life.identity)
            self.life = None
        self.last_error = "internal error in the supervisor; see the log"
        self._close_lane(f"The model `{self.model}` is unavailable.")
        self._set(State.QUARANTINED)

    # ------------------------------------------------------------------ small change
    def _tell(self, life: Life, message: Down) -> None:
        with contextlib.suppress(WorkerLost):  # it never spoke, or is gone: the ladder goes on
            self._bus.send(life.identity, message)

    def _close_lane(self, message: str) -> None:
        refusal = Refusal(ModelUnavailable.code, message, RETRY_QUARANTINED)
        self._capacity.close_model(self.model, refusal)

    async def _tick(self, life: Life) -> None:
        while True:
            await self._sleep(TICK)
            life.inbox.put_nowait(Nudge.TICK)

    def _nudge(self) -> None:
        self._command.set()
        if self.life is not None:
            self.life.inbox.put_nowait(Nudge.COMMAND)

    def _advance(self, event: Event) -> None:
        self._set(advance(self.state, event))

    def _set(self, state: State) -> None:
        self.state = state
        self._log.debug("state", state=state)
        self._moved.set()
        self._moved = asyncio.Event()
        for changed in self._watchers:
            changed(state)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await self._moved.wait()
