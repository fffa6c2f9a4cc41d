"""All workers of the node: built from its configuration, started together, stopped together, and their snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from gateway.bus.router import Router
from gateway.routing.dispatch import Dispatcher
from gateway.routing.registry import Registry
from gateway.supervisor.placement import divide, node_budget, wired_limit
from gateway.supervisor.process import Sleep, Spawn, spawn
from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts, rss_bytes
from gateway.supervisor.watchdog import Limits
from gateway.supervisor.worker import Worker
from shared.config import ModelConfig, NodeConfig
from shared.errors import ConfigError
from shared.footprint import weight_bytes
from shared.lifecycle import State
from shared.logs import get_logger
from shared.messages import Kind
from shared.spec import WorkerSpec

log = get_logger("gateway.supervisor")


__all__ = ["Fleet", "FleetSnapshot", "WorkerFacts"]


class Fleet:
    """One worker a model. Building it reads the headers of local model files; do that before serving."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        router: Router,
        dispatcher: Dispatcher,
        registry: Registry,
        log_level: str = "info",
        log_style: str = "text",
        spawn: Spawn = spawn,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._router = router
        self._dispatcher = dispatcher
        self._registry = registry
        self._clock = clock
        limits = Limits(config.node.load_timeout, config.node.hang_timeout)
        total = node_budget(config.node.memory_budget, psutil.virtual_memory().total)
        weights = [_weights(name, model.source) for name, model in config.models.items()]
        budgets = divide(total, weights)
        self._workers: dict[str, Worker] = {}
        for (name, model), budget, weight in zip(config.models.items(), budgets, weights, strict=True):
            spec = _spec(name, model, registry[name].kind, router.endpoint, log_level, log_style)
            self._workers[name] = Worker(
                replace(spec, memory_budget=budget, wired_limit=wired_limit(weight, budget)),
                bus=router,
                capacity=dispatcher,
                limits=limits,
                grace=config.node.stop_grace,
                on_ready=partial(registry.learn, name),
                spawn=spawn,
                clock=clock,
                sleep=sleep,
            )

    def worker(self, name: str) -> Worker:
        return self._workers[name]

    def start(self) -> None:
        """Starts every worker; returns at once, the models load meanwhile."""
        for worker in self._workers.values():
            worker.start()

    async def stop(self) -> None:
        """Refuses new requests, lets the running ones finish within the grace, reaps every process."""
        self._dispatcher.shut_down()
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))

    def snapshot(self) -> FleetSnapshot:
        return FleetSnapshot(tuple(self._look(worker) for worker in self._workers.values()))

    def _look(self, worker: Worker) -> WorkerFacts:
        entry = self._registry[worker.name]
        life = worker.life
        pulse = life.pulse if life else None
        ready = pulse.ready if pulse else None
        loading = pulse.loading if pulse and worker.state in (State.SPAWNED, State.LOADING) else None
        pid = life.process.pid if life and life.process else None
        return WorkerFacts(
            name=worker.name,
            kind=entry.kind,
            aliases=entry.aliases,
            capabilities=entry.capabilities,
            context=entry.context,
            state=worker.state,
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
            queued=self._dispatcher.queued(worker.name),
            tokens_per_second=pulse.tokens_per_second(self._clock()) if pulse else 0.0,
            stats=pulse.stats if pulse else None,
            rss_bytes=rss_bytes(pid),
            weight_bytes=ready.weights if ready else 0,
            memory_budget=worker.spec.memory_budget,
        )


def _spec(
    name: str, model: ModelConfig, kind: Kind | None, endpoint: str, log_level: str, log_style: str
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
    )


def _weights(name: str, source: str) -> int:
    """Bytes of a local folder's weights; 0 when they are elsewhere or can't be read (the worker will say why)."""
    folder = Path(source)
    if not folder.is_dir():
        return 0
    try:
        return weight_bytes(folder)
    except ConfigError as error:
        log.warning("the model's size is unknown", model=name, error=error.message)
        return 0
