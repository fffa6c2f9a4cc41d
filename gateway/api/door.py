"""The node's door: who is inside, and what a closed door says.

Plain ASGI. Once it is closed, whoever comes gets 503 on a new or an open connection alike, and whoever is inside may
finish. The probes may always pass.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.errors import error_response
from shared.errors import ShuttingDown

RETRY_AFTER = 5.0  # seconds; a restart takes about that
PROBES = frozenset({"/health", "/health/ready", "/metrics", "/v1/status"})


class Door:
    """Open until `close`. `hurried` is set when the node has to end at once."""

    def __init__(self) -> None:
        self.closed = False
        self.inside = 0  # requests, probes not among them
        self.hurried = asyncio.Event()
        self._left = asyncio.Event()

    def close(self) -> None:
        """Nobody new comes in. Fit for a signal handler. Idempotent."""
        self.closed = True

    def enter(self) -> None:
        self.inside += 1

    def leave(self) -> None:
        self.inside -= 1
        self._left.set()

    async def empty(self) -> None:
        """Waits until nobody is inside."""
        while self.inside:
            self._left.clear()
            await self._left.wait()


class Doorway:
    """Lets requests in, counts them, and answers in the caller's dialect what a closing node can't do."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
        elif self.door.closed:
            await _refuse(scope, receive, send)
        else:
            self.door.enter()
            try:
                await self._guide(scope, receive, send)
            finally:
                self.door.leave()

    async def _guide(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except asyncio.CancelledError:
            # The server cancels what outlasts its end; what has begun is cut, which no client takes for a whole answer.
            if begun or not self.door.closed:
                raise
            await _refuse(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """The connection stays open: closing it under an upload would reset it before the client has read this."""
    response = error_response(ShuttingDown("The gateway is shutting down.", retry_after=RETRY_AFTER), scope)
    await response(scope, receive, send)
