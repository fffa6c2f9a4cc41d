"""Who holds the node's memory: one ledger, and one task that decides who loads and who goes.

Models are wanted in order (at the start, by a waiting request, by an admin); only the first is looked at, so that a
large one is not starved by small ones. What it will hold is reserved before its process starts, and freed when a
process has been reaped: the sum never exceeds the budget.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway.routing.admission import Refusal
from gateway.supervisor.placement import Never, Place, Resident, Wait, decide
from shared.errors import ModelUnavailable
from shared.lifecycle import State
from shared.logs import get_logger

log = get_logger("gateway.memory")

LOOK = 1.0  # seconds between looks at who idles
_SHORT = 30.0  # seconds, for clients
_GONE = (State.STOPPED, State.QUARANTINED)


class Charge(Protocol):
    """A worker, as far as the keeper moves it."""

    name: str

    @property
    def state(self) -> State: ...

    @property
    def pause_left(self) -> float:
        """Seconds until it may start again, 0 where it does not pause."""
        ...

    def start(self) -> None: ...

    def reset(self) -> None:
        """Starts it although it is in quarantine."""
        ...

    async def stop(self, grace: float | None = None) -> None: ...

    def watch(self, changed: Callable[[State], None]) -> None:
        """`changed` is called, synchronously, after every change of state."""
        ...


class Demand(Protocol):
    """The dispatcher: who is asked for."""

    def queued(self, model: str) -> int: ...

    def running(self, model: str) -> int: ...

    def used(self, model: str) -> float: ...

    def close_model(self, model: str, refusal: Refusal) -> None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How a model is kept. `size` tells what it will hold, bytes; `idle_unload` in seconds, None: never."""

    size: Callable[[], int]
    pin: bool = False
    idle_unload: float | None = None


class Keeper:
    """Owns the ledger. `min_residency`: seconds that a model stays at least once it is ready."""

    def __init__(
        self,
        demand: Demand,
        budget: int,
        *,
        min_residency: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.budget = budget
        self.min_residency = min_residency
        self.reserved: dict[str, int] = {}
        self._workers: dict[str, Charge] = {}
        self._terms: dict[str, Terms] = {}
        self.may_load: Callable[[int, int], bool] = lambda need, held: True  # under memory pressure; see `relief`
        self._demand = demand
        self._clock = clock
        self._sleep = sleep
        self._wants: dict[str, bool] = {}  # in order; whether others may have to go for it
        self._states: dict[str, State] = {}
        self._ready_since: dict[str, float] = {}
        self._placing: dict[str, asyncio.Event] = {}
        self._load_began: dict[str, float] = {}
        self._load_seconds: dict[str, float] = {}  # learnt
        self._leaving: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def held(self) -> int:
        return sum(self.reserved.values())

    @property
    def wanted(self) -> list[str]:
        """Models that wait for memory, in order."""
        return list(self._wants)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._serve(), name="memory"), asyncio.create_task(self._tick())]

    async def close(self) -> None:
        """Decides nothing any more; what runs is left to its owner."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def load_remaining(self, name: str) -> float | None:
        """Seconds until the model will be ready: what is left of a pause, and how long loading took the last time.

        None when neither is known.
        """
        usual, pause = self._load_seconds.get(name), self._workers[name].pause_left
        if usual is None:
            return pause or None
        now = self._clock()
        return max(1.0, pause + usual - (now - self._load_began.get(name, now)))

    # ------------------------------------------------------------------ who is kept
    def add(self, worker: Charge, terms: Terms) -> None:
        """A stopped worker, to be loaded when it is wanted."""
        self._workers[worker.name] = worker
        self._terms[worker.name] = terms
        self._states[worker.name] = worker.state
        worker.watch(partial(self._on_state, worker.name))

    def change(self, name: str, terms: Terms) -> None:
        self._terms[name] = terms

    async def remove(self, name: str) -> None:
        """Lets its requests finish and forgets it."""
        await self.unload(name)
        self._take(name)  # who came meanwhile made it wanted again
        del self._workers[name], self._terms[name], self._states[name]

    # ------------------------------------------------------------------ verbs for everybody
    def want(self, name: str) -> None:
        """Loads the model as soon as it can be, whoever else has to go. Idempotent."""
        if self._states[name] is State.QUARANTINED or (name in self.reserved and name not in self._leaving):
            return
        self._wants[name] = True
        self._changed.set()

    def suggest(self, name: str) -> None:
        """Loads the model if there is room for it now."""
        if name not in self.reserved:
            self._wants.setdefault(name, False)
            self._changed.set()

    def revive(self, name: str) -> None:
        """As `want`, and out of quarantine too. Raises ModelUnavailable when it can never fit, or memory is short."""
        need = self._terms[name].size()
        decision = decide(need, self.budget, self._residents(), self._clock(), self.min_residency)
        if isinstance(decision, Never) and name not in self.reserved:
            raise too_large(name, need, decision.most).error()
        if isinstance(decision, Place) and name not in self.reserved and not self._allowed(need, decision):
            raise ModelUnavailable("The machine is short of memory; /v1/status tells how much.", retry_after=_SHORT)
        if name not in self.reserved or name in self._leaving:
            self._wants[name] = True
            self._changed.set()

    async def placed(self, name: str) -> None:
        """Waits until the model has its memory, or is not wanted any more."""
        if name in self._wants:
            await self._placing.setdefault(name, asyncio.Event()).wait()

    async def unload(self, name: str) -> None:
        """Lets its requests finish, then unloads it; it comes back when it is asked for."""
        self._take(name)
        await self._evict(name)

    async def shed(self) -> str | None:
        """Unloads the least recently used of those on whom nothing runs and that aren't pinned; None: there is none."""
        idle = [one for one in self._residents() if not (one.pinned or one.busy or one.ready_since is None)]
        if not idle:
            return None
        longest = min(idle, key=lambda one: one.used)
        await self._evict(longest.name)
        return longest.name

    # ------------------------------------------------------------------ the owner
    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            try:
                decided = bool(self._wants) and await self._try(next(iter(self._wants)))
            except Exception:  # the boundary of one decision: the models behind it still have to load
                log.exception("a load failed to be decided", model=next(iter(self._wants), None))
                decided = False
            if not decided:
                await self._changed.wait()

    async def _tick(self) -> None:
        while True:
            await self._sleep(LOOK)
            self._changed.set()
            for name in self._idle():
                log.info("idle", model=name)
                await self._evict(name)

    async def _try(self, name: str) -> bool:
        """Whether anything was decided for the model that is wanted first."""
        if name in self.reserved:  # on its way out; it comes back when it has gone
            return False
        need = self._terms[name].size()
        decision = decide(need, self.budget, self._residents(), self._clock(), self.min_residency)
        if isinstance(decision, Wait | Place) and decision != Place() and not self._wants[name]:
            self._take(name)
            log.warning("no room at the start; it loads when asked for", model=name, bytes=need, held=self.held)
            return True
        match decision:
            case Never(most):
                self._take(name)
                self._demand.close_model(name, too_large(name, need, most))
                log.error("can never fit", model=name, bytes=need, most=most)
            case Wait():
                return False
            case Place(evict):
                if not self._allowed(need, decision):
                    return False  # looked at again in a moment
                await asyncio.gather(*(self._evict(other) for other in evict))
                if name in self._wants:  # else an admin took it back meanwhile
                    self._load(name, need)
        return True

    def _allowed(self, need: int, place: Place) -> bool:
        """Whether the machine can bear what the load adds, once others have gone for it."""
        return self.may_load(need - sum(self.reserved[other] for other in place.evict), self.held)

    def _take(self, name: str) -> None:
        """Out of the line."""
        self._wants.pop(name, None)
        if placing := self._placing.pop(name, None):
            placing.set()

    def _load(self, name: str, need: int) -> None:
        self.reserved[name] = need
        log.info("loading", model=name, bytes=need, held=self.held, budget=self.budget)
        if self._states[name] is State.QUARANTINED:
            self._workers[name].reset()
        else:
            self._workers[name].start()
        self._take(name)

    async def _evict(self, name: str) -> None:
        """Returns when its process has been reaped. Requests that came meanwhile make it wanted again."""
        self._leaving.add(name)
        try:
            await self._workers[name].stop(math.inf)
        finally:
            self._leaving.discard(name)
        if self._demand.queued(name):
            self.want(name)

    def _on_state(self, name: str, state: State) -> None:
        before, self._states[name] = self._states[name], state
        if state in _GONE and before not in _GONE:
            self.reserved.pop(name, None)  # its process has been reaped
        if state is State.SPAWNED:
            self._load_began[name] = self._clock()
        elif state is not State.LOADING and state is not State.READY:
            self._load_began.pop(name, None)
        if state is State.READY:
            self._ready_since[name] = now = self._clock()
            if (began := self._load_began.pop(name, None)) is not None:
                self._load_seconds[name] = now - began
        else:
            self._ready_since.pop(name, None)
        self._changed.set()

    def _residents(self) -> list[Resident]:
        return [
            Resident(
                name=name,
                size=size,
                pinned=self._terms[name].pin,
                busy=self._demand.running(name) > 0 or self._demand.queued(name) > 0,
                used=self._demand.used(name),
                ready_since=None if name in self._leaving else self._ready_since.get(name),
            )
            for name, size in self.reserved.items()
        ]

    def _idle(self) -> list[str]:
        now, found = self._clock(), []
        for one in self._residents():
            limit = self._terms[one.name].idle_unload
            if limit is None or one.pinned or one.busy or one.ready_since is None:
                continue
            if now - max(one.used, one.ready_since) >= limit:
                found.append(one.name)
        return found


def too_large(name: str, need: int, most: int) -> Refusal:
    words = f"The model `{name}` needs {need / 1e9:.1f} GB; at most {most / 1e9:.1f} GB can be had on this node."
    return Refusal(ModelUnavailable.code, words, 3600.0)
