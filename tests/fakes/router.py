"""The gateway's end of the wire, for tests of a worker: a real ROUTER that speaks messages and never waits for ever."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import zmq

from shared.channel import bind_router, make_endpoint
from shared.codec import decode, encode
from shared.messages import Down, Stats, Step, Up

PATIENCE = 20_000  # milliseconds before a test fails because nothing came

T = TypeVar("T")


class FakeGateway:
    def __init__(self, socket: zmq.Socket[bytes], endpoint: str) -> None:
        self.socket = socket
        self.endpoint = endpoint
        self.identity = b""
        self.blobs: list[bytes] = []

    def tell(self, message: Down, *blobs: bytes) -> None:
        self.raw(encode(message), *blobs)

    def raw(self, *frames: bytes) -> None:
        self.socket.send_multipart([self.identity, *frames])

    def hear(self) -> Up:
        """The next message, whatever it is; its blobs are in `blobs`."""
        assert self.socket.poll(PATIENCE), "the worker said nothing"
        self.identity, head, *self.blobs = self.socket.recv_multipart()
        message: Up = decode(head, self.blobs)
        return message

    def hear_until(self, wanted: Callable[[Up], bool]) -> list[Up]:
        """Everything up to the first wanted message, without pulses that aren't wanted."""
        heard = []
        while True:
            message = self.hear()
            if wanted(message):
                return [*heard, message]
            if not isinstance(message, Stats):
                heard.append(message)

    def next(self, kind: type[T]) -> T:
        message: Any = self.hear_until(lambda message: isinstance(message, kind))[-1]
        found: T = message
        return found

    def deltas_until(self, kind: type[T], request: str) -> list[Any]:
        """The deltas of all requests up to one of `kind` for `request`."""
        found: list[Any] = []
        while True:
            message = self.hear()
            if isinstance(message, Step):
                found += message.deltas
                if any(isinstance(delta, kind) and delta.request == request for delta in message.deltas):  # type: ignore[attr-defined]
                    return found


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    endpoint, folder = make_endpoint()
    try:
        with zmq.Context() as context, bind_router(context.socket(zmq.ROUTER), endpoint) as socket:
            yield FakeGateway(socket, endpoint)
    finally:
        shutil.rmtree(folder)
