"""uvicorn's server with an end of its own.

    first SIGTERM or SIGINT   the door closes: new requests get 503, the address stays bound, what runs may finish
    after `node.stop_grace`   what is left ends with a typed error
    second signal             the same at once, and the workers are killed

Only then uvicorn closes the address and the connections, and the lifespan ends the workers.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from gateway.api.node import Node
from shared.logs import get_logger

log = get_logger("gateway.server")

LAST_WORDS = 2.0  # seconds in which errors reach clients that read
CUT = 1  # seconds that uvicorn waits for connections once nothing runs any more
LAST_RESORT = 10.0  # seconds after a second signal at which the process ends, whatever it does
SIGNALLED = 128  # plus the signal: what shells report for a process that a signal ended


class Server(uvicorn.Server):
    """Serves one node. `exit_code` after `run`: 0, or 128 plus the second signal."""

    def __init__(self, config: uvicorn.Config, node: Node) -> None:
        super().__init__(config)
        self.exit_code = 0
        self._node = node
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In signal context, so flags only. Unlike uvicorn's it raises no signal again once all is over."""
        if self.should_exit and not self.exit_code:
            # A thread that is stuck would hold the interpreter up; the workers see their stdin close.
            last_resort = threading.Timer(LAST_RESORT, os._exit, [SIGNALLED + sig])
            last_resort.daemon = True
            last_resort.start()
        if self.should_exit:
            self.exit_code = SIGNALLED + sig
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._node.door.hurried.set)
        self.should_exit = True
        self._node.door.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._node.door.close()
        await end_requests(self._node)
        self.config.timeout_graceful_shutdown = CUT
        await super().shutdown(sockets)


async def end_requests(node: Node) -> None:
    """Lets what runs finish within the grace, unless it has to be quick; then fails the rest."""
    door, grace = node.door, node.config.node.stop_grace
    log.info("stopping: no new requests", running=door.inside, grace=grace)
    await _first(door.empty(), door.hurried.wait(), seconds=grace)
    if door.inside:
        log.warning("stopping: requests end early", running=door.inside)
    node.dispatcher.end_all()
    await _first(door.empty(), seconds=LAST_WORDS)


async def _first(*ends: Coroutine[Any, Any, object], seconds: float) -> None:
    """Waits for the first of them, at most so long."""
    tasks = [asyncio.ensure_future(end) for end in ends]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
