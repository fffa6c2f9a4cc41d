"""What runs while the application does: bus, workers, ledger, and whoever watches for changes; in order, and back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from gateway.api.node import Node
from gateway.bus.router import Router
from gateway.reload import Reloader
from shared.config import NodeConfig

_KILL_AGAIN = 0.1  # seconds; a worker that was just being started has its process by then


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration comes from: how to read it again, and the file to watch (None: there is none)."""

    read: Callable[[], NodeConfig]
    file: Path | None = None


def lifespan(
    node: Node, router: Router, source: Source, remove: Callable[[], object]
) -> Callable[[FastAPI], AsyncIterator[None]]:
    """`remove` deletes the socket's folder."""

    async def run(app: FastAPI) -> AsyncIterator[None]:
        app.state.reloader = reloader = Reloader(node, source.read, source.file)
        router.start()
        node.ring.open_local()
        if node.ledger is not None:
            node.ring.restore(node.ledger.tokens_since)
            node.ledger.start()
        watching = [
            asyncio.create_task(node.ring.watch(), name="keys"),
            asyncio.create_task(reloader.watch(), name="configuration"),
        ]
        reloads = on_hangup(reloader)
        try:
            node.fleet.start()
            node.mcp.start()
            yield
        finally:
            for task in (*watching, *reloads):
                task.cancel()
            await node.responses.close()
            await asyncio.gather(stop_fleet(node), node.mcp.stop())
            await router.close()
            if node.ledger is not None:
                node.ledger.close()
            remove()

    return run


async def stop_fleet(node: Node) -> None:
    """The workers end in order, or by SIGKILL once the node is in a hurry. A closed door has had its grace."""
    stopping = asyncio.ensure_future(node.fleet.stop(0.0 if node.door.closed else None))
    hurry = asyncio.ensure_future(node.door.hurried.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    while not stopping.done():
        node.fleet.kill()
        await asyncio.wait({stopping}, timeout=_KILL_AGAIN)
    await stopping


def on_hangup(reloader: Reloader) -> set[asyncio.Task[None]]:
    """SIGHUP loads the configuration again. A loop outside of the main thread, as in tests, has no signals.

    Returns the set of the loads that run.
    """
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def reload() -> None:
        task = loop.create_task(reloader.try_reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
        loop.add_signal_handler(signal.SIGHUP, reload)
    return tasks
