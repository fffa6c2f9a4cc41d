"""A gateway without HTTP around real worker processes of tests/fakes/worker.py."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.bus.router import Router
from gateway.routing.dispatch import Dispatcher, Stream
from gateway.routing.registry import Registry
from gateway.supervisor.fleet import Fleet, WorkerFacts
from gateway.supervisor.process import spawn
from shared.channel import make_endpoint
from shared.config import ModelConfig, NodeConfig
from shared.messages import ChatMessage, Generate, Prompt, TextPart

HASTE = 20.0  # the supervisor's pauses are so many times shorter


def fake_argv(name: str) -> tuple[str, ...]:
    return (sys.executable, "-P", str(Path(__file__).with_name("worker.py")), name)


class SkewedClock:
    """The real clock, which a test may put forward."""

    def __init__(self) -> None:
        self.skew = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skew


async def hurry(seconds: float) -> None:
    await asyncio.sleep(seconds / HASTE)


class FakeNode:
    def __init__(self, config: NodeConfig, endpoint: str) -> None:
        self.clock = SkewedClock()
        self.router = Router(endpoint)
        self.registry = Registry.from_config(config, lambda _: "llm")
        self.dispatcher = Dispatcher(self.router, config.models, config.server.queue, clock=self.clock)
        self.fleet = Fleet(
            config,
            router=self.router,
            dispatcher=self.dispatcher,
            registry=self.registry,
            spawn=partial(spawn, argv=fake_argv),
            clock=self.clock,
            sleep=hurry,
            read=lambda: (10**11, 10**11, 0),
        )
        self._count = 0

    def ask(self, text: str, model: str = "chat", deadline: float | None = None) -> Stream:
        self._count += 1
        work = Generate(f"request-{self._count}", Prompt(messages=(ChatMessage("user", (TextPart(text),)),)))
        return self.dispatcher.open(self.registry[model], work, deadline=deadline)

    def facts(self, model: str = "chat") -> WorkerFacts:
        return next(worker for worker in self.fleet.snapshot().workers if worker.name == model)

    def pid(self, model: str = "chat") -> int:
        pid = self.facts(model).pid
        assert pid is not None
        return pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def fake_node(*, source: str = "fake:fine", max_batch: int = 8) -> AsyncIterator[FakeNode]:
    """A node with one model, `chat`; started, not yet ready."""
    endpoint, folder = make_endpoint()
    models = {"chat": ModelConfig(source=source, kind="llm", max_batch=max_batch, aliases=("default",))}
    node = FakeNode(NodeConfig.model_validate({"models": models}), endpoint)
    node.router.start()
    node.fleet.start()
    try:
        yield node
    finally:
        await node.fleet.stop()
        await node.router.close()
        shutil.rmtree(folder)
