"""Drives an ASGI application by hand, for what no client shows: when bytes leave, and a client that leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any


class Exchange:
    """One request. `leave` disconnects; `on_body` sees each piece of the body as it is sent."""

    def __init__(self, app: Any, path: str, body: Any = b"", method: str = "POST", **headers: str) -> None:
        self._app = app
        data = body if isinstance(body, bytes | list) else json.dumps(body).encode()
        self._pieces = list(data) if isinstance(data, list) else [data]
        self._left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.on_body: Callable[[bytes], None] = lambda _: None
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "server": ("test", 80),
            "client": ("test", 1),
        }

    def leave(self) -> None:
        self._left.set()

    async def run(self) -> Exchange:
        await self._app(self.scope, self._receive, self._send)
        return self

    async def _receive(self) -> dict[str, Any]:
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and message.get("body"):
            self.on_body(message["body"])

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])
