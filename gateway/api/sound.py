"""The sound of a `Stream` as a chunked body.

The first piece is awaited before the headers go out, so that a refusal keeps its HTTP status. After it a fault can
only be told by cutting the connection: sound that ends cleanly is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.disconnect import while_connected
from gateway.api.edge import ResponseCut, request_id_of
from shared.errors import Cancelled, InternalError, RequestError
from shared.logs import get_logger
from shared.messages import Sound

if TYPE_CHECKING:
    from gateway.routing.dispatch import Stream

log = get_logger("gateway.api")


class SoundStream(Response):
    """Opens a stream and sends it. Leaving it, for whatever reason, closes the `Stream` and so cancels the work."""

    def __init__(self, open_stream: Callable[[], Stream], media_type: str) -> None:
        """`open_stream` runs in `__call__`; it may raise RequestError, which becomes a plain error response."""
        super().__init__(headers={"content-type": media_type, "cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._open = open_stream
        self._headers_sent = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._log = log.bind(request=request_id_of(scope))
        try:
            await while_connected(receive, self._run(send))
        except Cancelled:
            if not self._headers_sent:
                raise
            self._log.info("client left")

    async def _run(self, send: Send) -> None:
        async with self._open() as stream:
            piece = await _next(stream)
            if piece is None:
                raise InternalError("The model answered without sound.")
            self._headers_sent = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                while piece is not None:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await _next(stream)
            except RequestError as error:
                self._log.warning("stream failed", code=error.code)
                raise ResponseCut(error.code) from None
            except OSError:
                self._log.info("client left")
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _next(stream: Stream) -> bytes | None:
    """The next sound, None at the end."""
    async for event in stream:
        if isinstance(event, Sound) and event.data.data:
            return bytes(event.data.data)
    return None
