"""A node without processes: a dispatcher whose streams play a script, a fleet that says what it is told, an app."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from gateway.api.node import Node
from gateway.app import build_http
from gateway.media.load import MediaLoader
from gateway.metrics import Metrics
from gateway.routing.registry import ModelEntry, Registry
from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts
from gateway.tenancy.current import current
from gateway.tenancy.ring import KeyRing
from shared.config import ModelConfig, NodeConfig
from shared.errors import RequestError
from shared.lifecycle import State
from shared.messages import Accepted, ChoiceFinished, Delta, Finished, TextDelta, Usage, Work

# A script's items: an event, an error to raise, or a gate to wait at.
Item = Accepted | Delta | BaseException | asyncio.Event
Script = Callable[[Work], Sequence[Item]]

USAGE = Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=3, reasoning_tokens=1)


class FakeStream:
    """Plays a script. `wait` is over at once: at a closed gate the time has passed, else the next event is there."""

    def __init__(self, script: Sequence[Item], usage: Usage = USAGE) -> None:
        self._script = list(script)
        self.usage = usage
        self.waited: list[float] = []
        self.cancelled = False
        self.closed = asyncio.Event()

    def __aiter__(self) -> FakeStream:
        return self

    async def __anext__(self) -> Any:
        while self._script:
            item = self._script[0]
            if isinstance(item, asyncio.Event):
                await item.wait()
                self._script.pop(0)
                continue
            self._script.pop(0)
            if isinstance(item, BaseException):
                self._script.clear()
                raise item
            return item
        raise StopAsyncIteration

    async def whole(self) -> list[Any]:
        return [event async for event in self]

    async def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        first = self._script[0] if self._script else None
        return not (isinstance(first, asyncio.Event) and not first.is_set())

    async def __aenter__(self) -> FakeStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self.cancelled = bool(self._script)
        self.closed.set()


class FakeDispatcher:
    """`script` makes the events of each work; `refusal` is raised at the door."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.refusal: RequestError | None = None
        self.opened: list[tuple[ModelEntry, Any, float | None]] = []
        self.blobs: list[tuple[bytes, ...]] = []
        self.tenants: list[Any] = []
        self.streams: list[FakeStream] = []

    def clock(self) -> float:
        return 100.0

    def open(
        self,
        entry: ModelEntry,
        work: Any,
        blobs: Sequence[bytes] = (),
        *,
        deadline: float | None = None,
        tenant: Any = None,
        patience: Any = None,
    ) -> FakeStream:
        if self.refusal is not None:
            raise self.refusal
        stream = FakeStream(self.script(work))
        self.opened.append((entry, work, deadline))
        self.blobs.append(tuple(blobs))
        self.tenants.append(tenant)
        self.streams.append(stream)
        return stream

    @property
    def work(self) -> Any:
        """What the last request became."""
        return self.opened[-1][1]


class FakeFleet:
    def __init__(self, *facts: WorkerFacts) -> None:
        self.facts = list(facts)
        self.calls: list[str] = []
        self.remaining: float | None = None

    def start(self) -> None:
        self.calls.append("start")

    async def apply(self, config: NodeConfig) -> None:
        self.calls.append("apply")

    async def load(self, name: str) -> None:
        self.calls.append(f"load {name}")

    async def unload(self, name: str) -> None:
        self.calls.append(f"unload {name}")

    async def stop(self, grace: float | None = None) -> None:
        self.calls.append("stop")

    def kill(self) -> None:
        self.calls.append("kill")

    def snapshot(self) -> FleetSnapshot:
        return FleetSnapshot(tuple(self.facts))

    def load_remaining(self, name: str) -> float | None:
        return self.remaining


READY = WorkerFacts(
    name="chat",
    model="chat",
    kind="llm",
    aliases=("gpt-4o",),
    capabilities=("reasoning",),
    context=4096,
    state=State.READY,
    wanted=False,
    reserved=8,
    incarnation=1,
    pid=4711,
    stage=None,
    fraction=None,
    detail="",
    restarts=0,
    last_error=None,
    device="cpu",
    max_inflight=8,
    open_requests=0,
    queued=0,
    tokens_per_second=12.5,
    stats=None,
    rss_bytes=10,
    weight_bytes=5,
    memory_budget=None,
)
LOADING = replace(READY, state=State.LOADING, stage="load", fraction=0.4, tokens_per_second=0.0)


def says(*texts: str) -> Script:
    """Every choice says the texts, one delta each, and stops."""

    def script(work: Any) -> list[Item]:
        rid, n = work.request, getattr(work, "n", 1)
        deltas: list[Item] = [TextDelta(rid, choice, text) for text in texts for choice in range(n)]
        ends: list[Item] = [ChoiceFinished(rid, choice, "stop") for choice in range(n)]
        return [Accepted(rid, 7, 4), *deltas, *ends, Finished(rid, USAGE)]

    return script


HELLO = says("Hello", "!")


def make_node(script: Script = HELLO, ring: KeyRing | None = None, **server: Any) -> Node:
    """A node that hosts `chat` (alias gpt-4o) and `org/whisper`; without a ring nobody needs a key."""
    config = NodeConfig.model_validate(
        {
            "server": server,
            "models": {
                "chat": {"source": "x/y", "kind": "llm", "aliases": ["gpt-4o"]},
                "org/whisper": {"source": "x/z", "kind": "stt"},
            },
        }
    )
    entries = [_entry(name, model) for name, model in config.models.items()]
    registry = Registry(entries, lambda name: current().may_use(name))
    whisper = replace(READY, name="org/whisper", model="org/whisper", kind="stt", aliases=(), tokens_per_second=0.0)
    fleet: Any = FakeFleet(READY, whisper)
    dispatcher: Any = FakeDispatcher(script)
    metrics = Metrics()
    metrics.watch(lambda: fleet.snapshot().workers)
    media = MediaLoader(config.media, config.server.max_body)
    keys = ring or KeyRing()
    return Node(config, registry, dispatcher, fleet, metrics, "1.2.3", media, ring=keys, started=time.monotonic())


def _entry(name: str, model: ModelConfig) -> ModelEntry:
    return ModelEntry(name, model, 1_700_000_000, kind=model.kind, context=4096 if name == "chat" else None)


def make_app(node: Node) -> FastAPI:
    return build_http(node)
