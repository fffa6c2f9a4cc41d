"""The ROUTER socket: one task receives; sending never waits.

Frames are `[identity][msgpack][blob…]`. An identity is `name.incarnation`; only identities that somebody listens to
are heard, so a predecessor that outlived its kill can't speak for its successor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, cast

import zmq
import zmq.asyncio

from gateway.bus.mailbox import Mailboxes
from shared.channel import bind_router
from shared.codec import decode, encode
from shared.errors import CodecError, WorkerLost
from shared.logs import get_logger
from shared.messages import Accepted, Bye, Down, Fatal, Hello, Loading, Ready, Stats, Step

log = get_logger("gateway.bus")

Report = Hello | Loading | Ready | Stats | Fatal | Bye
Blob = bytes | memoryview
_FRAMES_A_TURN = 32  # a socket that always has a frame would never let the loop run


class Listener(Protocol):
    """Whoever supervises an incarnation."""

    def received(self, report: Report) -> None: ...

    def progressed(self) -> None:
        """It answered something to a request."""
        ...

    def unreachable(self) -> None:
        """A frame for it could not be sent."""
        ...


class Router:
    """Owns the socket and the mailboxes. `start` and `close` inside the event loop."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.mailboxes = Mailboxes()
        self._listeners: dict[str, Listener] = {}
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._context = zmq.asyncio.Context(io_threads=1)
        self._socket = bind_router(self._context.socket(zmq.ROUTER), self.endpoint)
        self._task = asyncio.create_task(self._receive(self._socket), name="bus")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None and self._context is not None:
            self._socket.close()
            self._context.term()
        self._task = self._socket = self._context = None

    def listen(self, identity: str, listener: Listener) -> None:
        self._listeners[identity] = listener

    def forget(self, identity: str) -> None:
        self._listeners.pop(identity, None)

    def open_on(self, identity: str) -> int:
        """How many requests the incarnation still owes an answer."""
        return self.mailboxes.open_on(identity)

    def send(self, identity: str, message: Down) -> None:
        """Sends a message to an incarnation. Raises WorkerLost when it can't be reached."""
        self.send_frames(identity, encode(message))

    def send_frames(self, identity: str, frame: bytes, blobs: Sequence[Blob] = ()) -> None:
        """Sends an encoded message with its blobs (not copied). Raises WorkerLost, and tells the listener."""
        if self._socket is None:
            raise WorkerLost("the bus is closed")
        frames = [identity.encode(), frame, *blobs]
        try:
            # With DONTWAIT pyzmq answers at once: what it returns is a future that is done.
            sent = self._socket.send_multipart(frames, flags=zmq.DONTWAIT, copy=not blobs)
            cast("asyncio.Future[object]", sent).result()
        except zmq.ZMQError as error:
            log.warning("worker unreachable", worker=identity, error=str(error))
            if listener := self._listeners.get(identity):
                listener.unreachable()
            raise WorkerLost("the worker can't be reached") from error

    async def _receive(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            for _ in range(_FRAMES_A_TURN):
                frames = await socket.recv_multipart()
                self._take(frames[0], frames[1:])
            await asyncio.sleep(0)

    def _take(self, sender: bytes, frames: Sequence[bytes]) -> None:
        identity = sender.decode(errors="replace")
        listener = self._listeners.get(identity)
        if listener is None:
            log.debug("dropped a frame of a stale worker", worker=identity)
            return
        try:
            self._route(identity, listener, decode(frames[0] if frames else b"", frames[1:]))
        except CodecError as error:
            log.error("dropped a broken frame", worker=identity, error=error.message)
            listener.received(Fatal(error.code, error.message))
        except Exception:  # the boundary to another process: what it sends must not end the bus
            log.exception("a frame could not be handled", worker=identity)
            listener.received(Fatal(CodecError.code, "the worker sent a frame that could not be handled"))

    def _route(self, identity: str, listener: Listener, message: Any) -> None:
        if isinstance(message, Step | Accepted):
            listener.progressed()
            events = message.deltas if isinstance(message, Step) else (message,)
            stray = self.mailboxes.deliver(identity, events)
            if stray:
                log.debug("dropped deltas of ended requests", worker=identity, count=stray)
        elif isinstance(message, Hello | Loading | Ready | Stats | Fatal | Bye):
            listener.received(message)
        else:
            raise CodecError(f"{type(message).__name__} does not travel up")
