"""All workers of the node: built from its configuration, started together, stopped together, and their snapshot."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import psutil

from gateway.bus.router import Router
from gateway.routing.admission import Refusal
from gateway.routing.dispatch import Dispatcher
from gateway.routing.registry import Registry
from gateway.supervisor.keeper import Keeper, Terms
from gateway.supervisor.placement import node_budget, wired_limit
from gateway.supervisor.process import Sleep, Spawn, spawn
from gateway.supervisor.relief import Relief, read_memory
from gateway.supervisor.sizes import Size, measure
from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts, rss_bytes
from gateway.supervisor.watchdog import Limits
from gateway.supervisor.worker import Worker
from shared.config import ModelConfig, NodeConfig
from shared.errors import ModelUnavailable
from shared.lifecycle import State
from shared.logs import get_logger
from shared.messages import Kind
from shared.spec import WorkerSpec

__all__ = ["Fleet", "FleetSnapshot", "WorkerFacts"]

log = get_logger("gateway.supervisor")

_LOOK = 0.05  # seconds between looks at a queue that empties


def unit_names(name: str, model: ModelConfig) -> list[str]:
    """The workers of a model: its own name, then `name~2` and on."""
    return [name if number == 1 else f"{name}~{number}" for number in range(1, model.replicas + 1)]


class Fleet:
    """The workers, one or more a model, and the keeper of their memory.

    Building it reads the headers of local model files; do that before serving.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        router: Router,
        dispatcher: Dispatcher,
        registry: Registry,
        log_level: str = "info",
        log_style: str = "text",
        log_file: str | None = None,
        spawn: Spawn = spawn,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        read: Callable[[], tuple[int, int, int]] = read_memory,
    ) -> None:
        """`read` as `relief.read_memory`."""
        self._router = router
        self._dispatcher = dispatcher
        self._registry = registry
        self._clock = clock
        self._config = config
        self._log = (log_level, log_style, log_file)
        self._sleep = sleep
        self._spawn = spawn
        self._peaks: dict[str, int] = {}  # the most that a model's worker was seen to hold, bytes
        self._workers: dict[str, Worker] = {}
        self._sizes: dict[str, Size] = {}
        self.keeper = Keeper(
            _Asked(self._workers, router, dispatcher),
            node_budget(config.node.memory_budget, psutil.virtual_memory().total),
            min_residency=config.node.min_residency,
            clock=clock,
            sleep=sleep,
        )
        self.relief = Relief(self, clock=clock, sleep=sleep, read=read)
        self.keeper.may_load = self.relief.may_load
        dispatcher.on_wanted = self.want
        for name, model in config.models.items():
            self._sizes[name] = measure(name, model)
            for unit in unit_names(name, model):
                self._add(unit, name, model)

    def _add(self, unit: str, name: str, model: ModelConfig) -> None:
        worker = self._workers[unit] = self._worker(unit, name, model)
        worker.watch(lambda _: self._remember(worker))
        self.keeper.add(worker, self._terms(name, model))

    def _terms(self, name: str, model: ModelConfig) -> Terms:
        return Terms(partial(self._size, name), model.pin, model.idle_unload)

    def _remember(self, worker: Worker) -> None:
        """The peak of an incarnation that ends, for the reservation of the next."""
        stats = worker.life.pulse.stats if worker.life else None
        if stats is not None:
            self._peaks[worker.model] = max(self._peaks.get(worker.model, 0), stats.peak_bytes)

    def _worker(self, unit: str, name: str, model: ModelConfig) -> Worker:
        return Worker(
            self._spec(unit, name, model),
            model=name,
            bus=self._router,
            capacity=self._dispatcher,
            limits=Limits(self._config.node.load_timeout, self._config.node.hang_timeout),
            grace=self._config.node.stop_grace,
            on_ready=partial(self._registry.learn, name),
            on_retry=partial(self._retry, unit, name),
            bound=partial(self._bound, unit, name),
            spawn=self._spawn,
            clock=self._clock,
            sleep=self._sleep,
        )

    def _spec(self, unit: str, name: str, model: ModelConfig) -> WorkerSpec:
        return _spec(unit, model, self._registry[name].kind, self._router.endpoint, *self._log)

    def worker(self, name: str) -> Worker:
        return self._workers[name]

    def start(self) -> None:
        """Starts what is to be there from the start; returns at once, the models load meanwhile."""
        self.keeper.start()
        self.relief.start()
        for unit, worker in self._workers.items():
            if self._config.models[worker.model].load == "startup":
                self.keeper.suggest(unit)

    def want(self, name: str) -> None:
        """Loads the model, for requests that wait; its other replicas where there is room."""
        for number, unit in enumerate(self.units(name)):
            if number == 0:
                self.keeper.want(unit)
            else:
                self.keeper.suggest(unit)

    def units(self, name: str) -> list[str]:
        """The workers of a model."""
        return [unit for unit, worker in self._workers.items() if worker.model == name]

    def load_remaining(self, name: str) -> float | None:
        """Seconds until the model will be ready, if that can be told."""
        return self.keeper.load_remaining(name)

    async def load(self, name: str) -> None:
        """Loads the model, out of a pause or a quarantine too, and waits for it. Raises ModelUnavailable."""
        self._dispatcher.pardon(name)
        for unit in self.units(name):
            self._another_chance(unit)
        await self.keeper.placed(name)
        await self._workers[name].ensure_ready()

    async def unload(self, name: str) -> None:
        """Lets its requests finish and unloads it; returns when its memory is free."""
        await asyncio.gather(*(self.keeper.unload(unit) for unit in self.units(name)))

    async def apply(self, config: NodeConfig) -> None:
        """Becomes what `config` says: models come, change and go, and no request is lost on the way."""
        before, self._config = self._config.models, config
        self.keeper.budget = node_budget(config.node.memory_budget, psutil.virtual_memory().total)
        self.keeper.min_residency = config.node.min_residency
        sizes = await asyncio.to_thread(lambda: {name: measure(name, model) for name, model in config.models.items()})
        self._sizes |= sizes
        gone = [self._leave(name) for name in before if name not in config.models]
        changed = [self._change(name, before.get(name), model) for name, model in config.models.items()]
        await asyncio.gather(*gone, *changed)
        for name in config.models:
            self._dispatcher.pardon(name)
        for unit, worker in self._workers.items():
            if worker.state in (State.BACKOFF, State.QUARANTINED):
                try:
                    self._another_chance(unit)
                except ModelUnavailable as error:
                    log.warning("a model can't be tried again", model=unit, error=error.message)

    def _another_chance(self, unit: str) -> None:
        """Loads a worker whatever happened to it before. Raises ModelUnavailable."""
        if self._workers[unit].state is State.BACKOFF:
            self._workers[unit].reset()
        else:
            self.keeper.revive(unit)

    def _retry(self, unit: str, name: str) -> None:
        """A quarantine is over: the model is tried again where it is to be there from the start."""
        model = self._config.models.get(name)
        if model is not None and model.load == "startup":
            self.keeper.suggest(unit)

    async def _leave(self, name: str) -> None:
        """A model that is not hosted any more; whoever waits for it is served first."""
        while self._dispatcher.queued(name):
            await self._sleep(_LOOK)
        await asyncio.gather(*(self._drop(unit) for unit in self.units(name)))
        self._dispatcher.remove_model(name)
        del self._sizes[name]

    async def _drop(self, unit: str) -> None:
        await self.keeper.remove(unit)
        await self._workers.pop(unit).close()

    async def _change(self, name: str, before: ModelConfig | None, model: ModelConfig) -> None:
        if before == model:
            return
        self._dispatcher.open_model(name)
        wanted = unit_names(name, model)
        for unit in wanted:
            if unit not in self._workers:
                self._add(unit, name, model)
                if model.load == "startup":
                    self.keeper.suggest(unit)
        if self._dispatcher.queued(name):
            self.want(name)
        await asyncio.gather(*(self._drop(unit) for unit in self.units(name) if unit not in wanted))
        await asyncio.gather(*(self._replace(unit, name, model) for unit in self.units(name)))

    async def _replace(self, unit: str, name: str, model: ModelConfig) -> None:
        """Terms at once; what the worker itself has to know with a new incarnation."""
        self.keeper.change(unit, self._terms(name, model))
        worker, spec = self._workers[unit], self._spec(unit, name, model)
        if worker.spec == spec:
            return
        worker.spec = spec
        if unit in self.keeper.reserved:
            await self.keeper.unload(unit)
            self.keeper.want(unit)

    async def stop(self, grace: float | None = None) -> None:
        """Refuses new requests, lets the running ones finish within the grace, reaps every process.

        `grace` in seconds, None: `node.stop_grace`.
        """
        self._dispatcher.shut_down()
        await self.relief.close()
        await self.keeper.close()
        await asyncio.gather(*(worker.close(grace) for worker in self._workers.values()))

    def trim(self, keep: float) -> None:
        """Every ready worker shrinks its caches to this share of what they may hold."""
        for worker in self._workers.values():
            worker.trim(keep)

    async def shed(self) -> str | None:
        """Unloads the model that has idled longest; its name, None: there is none."""
        return await self.keeper.shed()

    def kill(self) -> None:
        """SIGKILL for every worker that runs; `stop` reaps them."""
        for worker in self._workers.values():
            if worker.life is not None and worker.life.process is not None:
                worker.life.process.signal(signal.SIGKILL)

    def _size(self, name: str) -> int:
        """What a worker of the model will hold, bytes."""
        return self._sizes[name].reservation(self._peaks.get(name, 0))

    def _bound(self, unit: str, name: str, spec: WorkerSpec) -> WorkerSpec:
        """The specification with the memory that is reserved for the worker."""
        budget = self.keeper.reserved.get(unit, self._size(name))
        return replace(spec, memory_budget=budget, wired_limit=wired_limit(self._sizes[name].weights, budget))

    def snapshot(self) -> FleetSnapshot:
        hosted = (worker for worker in self._workers.values() if self._registry.has(worker.model))
        workers = tuple(self._look(worker) for worker in hosted)
        return FleetSnapshot(workers, self.keeper.budget, self.keeper.held, self.relief.level, self.relief.reading)

    def _look(self, worker: Worker) -> WorkerFacts:
        entry = self._registry[worker.model]
        life = worker.life
        pulse = life.pulse if life else None
        ready = pulse.ready if pulse else None
        loading = pulse.loading if pulse and worker.state in (State.SPAWNED, State.LOADING) else None
        pid = life.process.pid if life and life.process else None
        return WorkerFacts(
            name=worker.name,
            model=worker.model,
            kind=entry.kind,
            aliases=entry.aliases,
            capabilities=entry.capabilities,
            context=entry.context,
            state=worker.state,
            wanted=worker.name in self.keeper.wanted,
            reserved=self.keeper.reserved.get(worker.name, 0),
            incarnation=worker.incarnation,
            pid=pid,
            stage=loading.stage if loading else None,
            fraction=loading.fraction if loading else None,
            detail=loading.detail if loading else "",
            restarts=worker.restarts,
            last_error=worker.last_error,
            device=ready.device if ready else None,
            max_inflight=ready.max_inflight if ready else 0,
            open_requests=self._router.open_on(life.identity) if life else 0,
            queued=self._dispatcher.queued(worker.model),
            tokens_per_second=pulse.tokens_per_second(self._clock()) if pulse else 0.0,
            stats=pulse.stats if pulse else None,
            rss_bytes=rss_bytes(pid),
            weight_bytes=ready.weights if ready else 0,
            memory_budget=life.spec.memory_budget if life else None,
            sharing=ready.sharing if ready else (),
            not_shared=ready.not_shared if ready else (),
            voice_detector=ready.voice_detector if ready else None,
        )


def _spec(
    name: str,
    model: ModelConfig,
    kind: Kind | None,
    endpoint: str,
    log_level: str,
    log_style: str,
    log_file: str | None,
) -> WorkerSpec:
    return WorkerSpec(
        name=name,
        incarnation=0,  # the worker counts from 1
        endpoint=endpoint,
        source=model.source,
        kind=kind,
        max_batch=model.max_batch,
        context=model.context,
        sampling=model.sampling.model_dump(exclude_none=True),
        tool_parser=model.tool_parser,
        reasoning_parser=model.reasoning_parser,
        trust_remote_code=model.trust_remote_code,
        video_fps=model.video.fps,
        video_max_frames=model.video.max_frames,
        prefix_cache=model.prefix_cache,
        log_level=log_level,
        log_style=log_style,
        log_file=log_file,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the keeper wants to know of each worker, from the dispatcher and the bus."""

    workers: Mapping[str, Worker]
    router: Router
    dispatcher: Dispatcher

    def queued(self, unit: str) -> int:
        return self.dispatcher.queued(self.workers[unit].model)

    def running(self, unit: str) -> int:
        life = self.workers[unit].life
        return self.router.open_on(life.identity) if life else 0

    def used(self, unit: str) -> float:
        return self.dispatcher.used(self.workers[unit].model)

    def close_model(self, unit: str, refusal: Refusal) -> None:
        self.dispatcher.close_model(self.workers[unit].model, refusal)
