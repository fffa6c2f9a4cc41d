"""A worker's lifecycle, owned by one task; everybody else asks: `start`, `ensure_ready`, `stop`, `reset`.

The task reads as the table in shared/lifecycle: rest (STOPPED, QUARANTINED), live (SPAWNED … STOPPING), bury (CRASHED),
pause (BACKOFF, QUARANTINED). When a process is gone its requests are settled before anything else happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from gateway.bus.router import Report
from gateway.routing.admission import Refusal
from gateway.supervisor.life import TICK, Exited, Life, Nudge
from gateway.supervisor.neighbours import Bus, Capacity
from gateway.supervisor.process import Process, Sleep, Spawn, kill, spawn, stop
from gateway.supervisor.watchdog import Limits, cause_of, diagnose
from shared.errors import ModelUnavailable, WorkerLost
from shared.lifecycle import QUARANTINE_FIRST, Cause, Death, Event, Quarantine, Record, Restart, State, advance, decide
from shared.logs import get_logger
from shared.messages import Bye, Down, Drain, Fatal, Hello, Loading, Ready, Stats, Stop, Trim
from shared.spec import WorkerSpec

log = get_logger("gateway.supervisor")

DRAIN_LOOK = 0.05  # seconds between looks at what still runs
ASK_GRACE = 5.0  # seconds that an idle worker has to follow Stop, on a busy machine too
LAST_WORDS = 0.25  # seconds in which a dead worker's frames may still arrive


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
        on_retry: Callable[[], None] = lambda: None,
        bound: Callable[[WorkerSpec], WorkerSpec] = lambda spec: spec,
        spawn: Spawn = spawn,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`on_retry` is told when a quarantine is over and the worker may be wanted again."""
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
        self._on_retry = on_retry
        self._bound = bound
        self._spawn = spawn
        self._clock = clock
        self._sleep = sleep
        self._log = log.bind(worker=spec.name)
        self._wanted = self._reset = False
        self._pause_ends = 0.0  # of the present BACKOFF or QUARANTINED
        self._record = Record()
        self._watchers: list[Callable[[State], None]] = []
        self._command = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ verbs for everybody
    def start(self) -> None:
        """Wants it up. Idempotent; a quarantined worker stays down until `reset`, or until its time is over."""
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
            raise ModelUnavailable(f"The model `{self.model}` is {self.state}.", retry_after=self.pause_left or None)

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
        """Ends a pause or a quarantine, with a clean record."""
        if self.state in (State.BACKOFF, State.QUARANTINED):
            self._reset = True
            self.start()

    @property
    def pause_left(self) -> float:
        """Seconds until it may start again; 0 where it neither pauses nor is in quarantine."""
        paused = self.state in (State.BACKOFF, State.QUARANTINED)
        return max(0.0, self._pause_ends - self._clock()) if paused else 0.0

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
            if self.state is State.QUARANTINED:
                await self._wait_out()
                self._leave_quarantine()
            if self.state is State.STOPPED and self._wanted:
                return
            self._command.clear()
            await self._command.wait()

    def _leave_quarantine(self) -> None:
        """1. Somebody wants another try now. 2. Somebody wants it down. 3. Its time is over: it may be asked for."""
        over = self._wanted and not self._reset
        if self._reset:
            self._record, self._reset = Record(), False
            self._advance(Event.RESET)
        else:
            self._wanted = False
            self._advance(Event.STOP)
        self._capacity.open_model(self.model)
        if over:
            self._log.info("the quarantine is over")
            self._on_retry()

    async def _pause(self) -> None:
        await self._wait_out()
        if self._reset:
            self._record, self._reset = Record(), False
        if not self._wanted:
            self._advance(Event.STOP)

    async def _wait_out(self) -> None:
        """Until the pause is over, or somebody has other wishes."""
        timer = asyncio.ensure_future(self._sleep(self.pause_left))
        try:
            while self._wanted and not self._reset and not timer.done():
                self._command.clear()
                command = asyncio.ensure_future(self._command.wait())
                await asyncio.wait({timer, command}, return_when=asyncio.FIRST_COMPLETED)
                command.cancel()
        finally:
            timer.cancel()

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
                case Nudge.TICK:
                    life.silent_looks += 1
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
                life.pulse.ready, life.ready_since, life.silent_looks = report, self._clock(), 0
                self._log.info("ready", kind=report.kind, credits=report.max_inflight, seconds=report.load_seconds)
                self._advance(Event.LOADED)
                self._on_ready(report)
                self._capacity.worker_ready(self.model, life.identity, report.max_inflight)
            case Stats():
                life.beat(report)
            case Fatal():
                life.fatal_at, life.fatal_code, self.last_error = self._clock(), report.code, report.message
                self._log.error("fatal", code=report.code, error=report.message)
                self._capacity.worker_leaving(self.model, life.identity)
            case Bye(_, terminated):
                life.said_bye, life.terminated = True, life.terminated or terminated
                self._capacity.worker_leaving(self.model, life.identity)
            case _:
                self._log.warning("out of turn", said=type(report).__name__, state=self.state)

    async def _bury(self, life: Life, end: str | Exited) -> None:
        """After an exit, a hang or a missed deadline: requests first, then the process, then the next try."""
        status = end.status if isinstance(end, Exited) else None
        message = f"The worker of `{self.model}` ended unexpectedly."
        blame = cause_of(status, life.terminated, life.fatal_code) is not Cause.TERMINATED
        self._capacity.worker_lost(self.model, life.identity, message, WorkerLost.code, blame=blame)
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
        self._judge(Death(cause_of(status, life.terminated, life.fatal_code), life.served))

    def _judge(self, death: Death) -> None:
        self._record = self._record.after(death)
        match decide(self._record, death.cause):
            case Restart(seconds):
                self._pause_ends = self._clock() + seconds
                self._advance(Event.WAIT)
                self._log.info("restarting", seconds=seconds)
            case Quarantine(seconds):
                self._record = self._record.in_quarantine()
                self._close_lane(f"The model `{self.model}` can't be started; /v1/status says why.", seconds)
                self._advance(Event.GIVE_UP)
                self._log.error("quarantined", seconds=seconds, error=self.last_error)

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
        self._close_lane(f"The model `{self.model}` is unavailable.", QUARANTINE_FIRST)
        self._set(State.QUARANTINED)

    # ------------------------------------------------------------------ small change
    def _tell(self, life: Life, message: Down) -> None:
        with contextlib.suppress(WorkerLost):  # it never spoke, or is gone: the ladder goes on
            self._bus.send(life.identity, message)

    def _close_lane(self, message: str, seconds: float) -> None:
        self._pause_ends = self._clock() + seconds
        self._capacity.close_model(self.model, Refusal(ModelUnavailable.code, message, seconds))

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
