"""A node for the page: every kind of model, a fleet that moves when it is told to, served to a real browser."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn

from gateway.api.node import Node
from gateway.routing.registry import ModelEntry, Registry
from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts
from gateway.tenancy.current import current
from gateway.tenancy.ring import KeyRing
from shared.config import ModelConfig
from shared.errors import ModelUnavailable
from shared.lifecycle import State
from shared.messages import (
    Accepted,
    Blob,
    ChoiceFinished,
    Finished,
    Generate,
    ReasoningDelta,
    Segment,
    Sound,
    Speak,
    Stats,
    TextDelta,
    Transcribed,
)
from tests.fakes.dispatcher import READY, USAGE, FakeFleet, Item, Script, make_app, make_node

MB = 1_000_000
VISION = "team/eyes-with-a-rather-long-name-4bit"
STATS = Stats(900, 1, 0, 7000, 4000, 3000, cache_bytes=120 * MB, active_bytes=900 * MB, peak_bytes=1000 * MB)
MODELS: dict[str, dict[str, Any]] = {
    "chat": {"kind": "llm", "aliases": ["default", "gpt-4o"]},
    VISION: {"kind": "vlm"},
    "whisper": {"kind": "stt"},
    "kokoro": {"kind": "tts"},
    "embed": {"kind": "embedding"},
}


def thinks(*texts: str, thought: str = "The user greets me.", gate: asyncio.Event | None = None) -> Script:
    """Chat answers with a thought before it, and waits at the gate in the middle; sound for the other kinds."""

    def script(work: Any) -> list[Item]:
        rid = work.request
        if isinstance(work, Speak):
            return [Accepted(rid), Sound(rid, Blob(b"ID3 no real sound"), 0.5), Finished(rid, USAGE)]
        if not isinstance(work, Generate):
            return [Segment(rid, 0, 0.0, 1.0, " Hello there."), Transcribed(rid, "en", 1.0), Finished(rid, USAGE)]
        said: list[Item] = [TextDelta(rid, 0, text) for text in texts]
        waits: list[Item] = [gate] if gate else []
        end: list[Item] = [ChoiceFinished(rid, 0, "stop"), Finished(rid, USAGE)]
        return [Accepted(rid, 7, 4), ReasoningDelta(rid, 0, thought), *said[:1], *waits, *said[1:], *end]

    return script


class MovingFleet(FakeFleet):
    """`refusal` is why the next load fails."""

    def __init__(self, *facts: WorkerFacts) -> None:
        super().__init__(*facts)
        self.refusal: str | None = None

    async def load(self, name: str) -> None:
        await super().load(name)
        if self.refusal:
            raise ModelUnavailable(self.refusal)
        self.change(name, state=State.READY, reserved=1200 * MB, stats=STATS)

    async def unload(self, name: str) -> None:
        await super().unload(name)
        self.change(name, state=State.STOPPED, reserved=0, stats=None, pid=None)

    def change(self, name: str, **values: Any) -> None:
        self.facts[:] = [replace(one, **values) if one.name == name else one for one in self.facts]

    def snapshot(self) -> FleetSnapshot:
        return FleetSnapshot(tuple(self.facts), 8000 * MB, sum(one.reserved for one in self.facts))


def page_node(script: Script, ring: KeyRing | None = None) -> Node:
    """All models are ready but `embed`, which is not loaded."""
    node = make_node(script, ring)
    entries = [
        ModelEntry(
            name, config, 1_700_000_000, kind=config.kind, voices=("af_sky", "bf_ann") if name == "kokoro" else ()
        )
        for name, config in ((name, ModelConfig(source="x/y", **values)) for name, values in MODELS.items())
    ]
    node.registry = Registry(entries, lambda name: current().may_use(name))
    fleet: Any = MovingFleet(
        *(
            replace(
                READY,
                name=one.name,
                model=one.name,
                kind=one.kind,
                reserved=1200 * MB,
                stats=STATS,
                tokens_per_second=0.0,
            )
            for one in entries
        )
    )
    fleet.change("chat", tokens_per_second=48.2)
    fleet.change("embed", state=State.STOPPED, reserved=0, stats=None)
    node.fleet = fleet
    return node


@dataclass(frozen=True)
class Served:
    node: Any
    url: str
    loop: asyncio.AbstractEventLoop

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs it where the node runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def open(self, gate: asyncio.Event) -> None:
        self.loop.call_soon_threadsafe(gate.set)


@contextmanager
def served(node: Node) -> Iterator[Served]:
    """The node over HTTP on a free port, in a thread of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server is there waits
        config = uvicorn.Config(make_app(node), log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=[server.serve(sockets=[listener])])
        thread.start()
        try:
            yield Served(node, f"http://127.0.0.1:{listener.getsockname()[1]}", loop)
        finally:
            server.should_exit = True
            thread.join()
            loop.close()
