"""What a worker's owner needs of the parts beside it."""

from __future__ import annotations

from typing import Protocol

from gateway.bus.router import Listener
from gateway.routing.admission import Refusal
from shared.messages import Down


class Capacity(Protocol):
    """Whom the worker's owner tells what can be had; the dispatcher."""

    def worker_ready(self, model: str, identity: str, limit: int) -> None: ...

    def worker_leaving(self, model: str, identity: str) -> None: ...

    def worker_lost(self, model: str, identity: str, message: str, code: str = ..., *, blame: bool = ...) -> None: ...

    def close_model(self, model: str, refusal: Refusal) -> None: ...

    def open_model(self, model: str) -> None: ...


class Bus(Protocol):
    """The router, as far as a supervisor needs it."""

    def listen(self, identity: str, listener: Listener) -> None: ...

    def forget(self, identity: str) -> None: ...

    def send(self, identity: str, message: Down) -> None: ...

    def open_on(self, identity: str) -> int: ...
