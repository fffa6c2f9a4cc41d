"""Server-sent events from a `Stream`, whatever the dialect.

The first event is awaited before the headers go out, so that a refusal keeps its HTTP status; a request that waits
longer gets its headers and comments. After the first byte an error is an event, and the stream ends without a finish.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.disconnect import while_connected
from gateway.api.edge import request_id_of
from gateway.api.errors import internal_error
from gateway.routing.source import Source
from shared.errors import Cancelled, RequestError
from shared.logs import get_logger
from shared.messages import Usage

log = get_logger("gateway.api")

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold the events back
}


E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Writer(Protocol[E_contra]):
    """Renders the events of one request in one dialect."""

    def event(self, event: E_contra) -> bytes: ...

    def end(self, usage: Usage) -> bytes: ...

    def error(self, error: RequestError, usage: Usage) -> bytes: ...


class EventStream(Response, Generic[E]):
    """Opens a stream and sends it. Leaving it, for whatever reason, closes the stream and so cancels the work."""

    def __init__(
        self, open_stream: Callable[[], Source[E]], writer: Writer[E], keep_alive: float, comment: Callable[[], str]
    ) -> None:
        """`keep_alive` is in seconds; `comment` says what a waiting request waits for.

        Both callables run in `__call__`: `open_stream` may raise RequestError, which becomes a plain error response.
        """
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._open = open_stream
        self._writer = writer
        self._keep_alive = keep_alive
        self._comment = comment
        self._wrote = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._log = log.bind(request=request_id_of(scope))
        self._request_id = request_id_of(scope)
        self._headers_sent = False
        try:
            await while_connected(receive, self._run(send))
        except Cancelled:
            if not self._headers_sent:
                raise
            self._log.info("client left")

    async def _run(self, send: Send) -> None:
        async with self._open() as stream:
            ready = await stream.wait(self._keep_alive)
            first = await _next(stream) if ready else None  # a refusal leaves here, as a plain error response
            self._headers_sent = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            ticker = asyncio.create_task(self._tick(send, waiting=not ready))
            try:
                await self._events(first, stream, send)
            except RequestError as error:
                self._log.warning("stream failed", code=error.code)
                await self._write(send, self._writer.error(error, stream.usage))
            except OSError:
                self._log.info("client left")
                return
            except Exception:  # the request's boundary: the headers are out, so no other layer can answer
                self._log.exception("unexpected error in a stream")
                await self._write(send, self._writer.error(internal_error(self._request_id), stream.usage))
            finally:
                ticker.cancel()
                await asyncio.gather(ticker, return_exceptions=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self, first: E | None, stream: Source[E], send: Send) -> None:
        event = first or await _next(stream)
        while event is not None:
            data = self._writer.event(event)
            if data:
                await self._write(send, data)
            event = await _next(stream)
        await self._write(send, self._writer.end(stream.usage))

    async def _write(self, send: Send, data: bytes) -> None:
        self._wrote = True
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _tick(self, send: Send, waiting: bool) -> None:
        """Writes a comment whenever nothing was written for a period; the first at once if the request waits."""
        while True:
            if waiting and not self._wrote:
                comment = f": {self._comment()}\n\n".encode()
                await send({"type": "http.response.body", "body": comment, "more_body": True})
            self._wrote, waiting = False, True
            await asyncio.sleep(self._keep_alive)


async def _next(stream: Source[E]) -> E | None:
    return await anext(stream, None)
