"""What `/v1/status` and `/health/ready` tell about the workers: values, taken at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import psutil

from gateway.supervisor.pressure import UNREAD, Level, Reading
from shared.lifecycle import State
from shared.messages import Kind, Stats, VoiceDetector

NodeStatus = Literal["ready", "loading", "degraded"]
_ON_THE_WAY = (State.SPAWNED, State.LOADING, State.BACKOFF, State.CRASHED)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Memory in bytes, `fraction` of the load stage from 0 to 1. The counters in `stats` are the incarnation's."""

    name: str
    model: str  # whose requests it serves; another name than its own for a second replica
    kind: Kind | None
    aliases: tuple[str, ...]
    capabilities: tuple[str, ...]
    context: int | None
    state: State
    wanted: bool  # it waits for memory
    reserved: int  # what the node keeps for it
    incarnation: int
    pid: int | None
    stage: str | None  # while it loads
    fraction: float | None
    detail: str
    restarts: int
    last_error: str | None
    device: str | None
    max_inflight: int
    open_requests: int  # sent and not answered
    queued: int  # waiting in the gateway
    tokens_per_second: float
    stats: Stats | None  # the worker's last pulse: running, waiting, steps, tokens, memory
    rss_bytes: int
    weight_bytes: int
    memory_budget: int | None
    sharing: tuple[str, ...] = ()  # what its rows share, as the worker found out
    not_shared: tuple[str, ...] = ()  # what they don't, each with the reason
    voice_detector: VoiceDetector | None = None


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    workers: tuple[WorkerFacts, ...]
    budget: int = 0  # of the node, for all workers
    held: int = 0  # of it
    pressure: Level = "normal"
    memory: Reading = UNREAD  # of the machine

    @property
    def status(self) -> NodeStatus:
        """`degraded`: a model can't be started; `loading`: one is on its way; `ready`: the others wait to be asked."""
        if any(worker.state is State.QUARANTINED for worker in self.workers):
            return "degraded"
        if any(worker.wanted or worker.state in _ON_THE_WAY for worker in self.workers):
            return "loading"
        return "ready"


def rss_bytes(pid: int | None) -> int:
    """Resident memory of a process, 0 once it is gone. A system call, no disk: fit for the event loop."""
    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
