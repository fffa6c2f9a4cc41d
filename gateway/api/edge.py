"""The outermost layers, as plain ASGI (Starlette's BaseHTTPMiddleware hides disconnects).

`RequestBoundary` gives every request an id, and an answer whatever happens; `BodyLimit` stops too large bodies.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.door import PROBES
from gateway.api.errors import error_response, internal_error, speaks_anthropic
from shared.errors import PayloadTooLarge
from shared.logs import get_logger

log = get_logger("gateway.api")

_QUIET = PROBES | {"/v1/me/usage", "/admin/usage", "/admin/errors"}  # asked for every few seconds
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The id that `RequestBoundary` chose for this request."""
    return str(scope["state"]["request_id"])


def note_work(request: Request, model: str, work: str) -> None:
    """Notes for the request's log line which model it went to, and its id on the wire."""
    request.state.model, request.state.work = model, work


def log_unknown(request: Request, names: Sequence[str]) -> None:
    """Tolerated fields, for whoever wonders why one of them does nothing."""
    if names:
        log.debug("unknown parameters", request=request_id_of(request.scope), names=", ".join(names))


class ResponseCut(Exception):
    """A response that has begun can't be completed: the connection has to be cut. Whoever raises it has logged why."""


class RequestBoundary:
    """Sets `x-request-id` (the caller's, if sane), logs the answer, and turns an unexpected exception into a 500.

    That 500 tells nothing but the id. https://asgi.readthedocs.io/en/latest/specs/www.html
    """

    def __init__(self, app: ASGIApp, on_response: Callable[[int], None]) -> None:
        """`on_response` is told each response's status."""
        self.app = app
        self.on_response = on_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        begun, status = time.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self.on_response(status)
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                if speaks_anthropic(scope):
                    headers["request-id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ResponseCut:
            raise
        except Exception:
            log.exception("unexpected error", request=request_id, method=scope["method"], path=scope["path"])
            if status:
                raise  # the server cuts the connection: never a clean end after a fault
            await error_response(internal_error(request_id), scope)(scope, receive, send_with_id)
        finally:
            _log_answer(scope, status, time.monotonic() - begun)


def _log_answer(scope: Scope, status: int, seconds: float) -> None:
    state = scope["state"]
    write = log.debug if scope["path"] in _QUIET else log.info  # probes come every few seconds
    write(
        "answered",
        request=state["request_id"],
        method=scope["method"],
        path=scope["path"],
        status=status,
        seconds=round(seconds, 3),
        key=state.get("tenant") or None,
        model=state.get("model"),
        work=state.get("work"),
    )


class BodyLimit:
    """413 for a body over `limit` bytes, announced or streamed."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self.limit:
            await error_response(self._error(headers), scope)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise self._error(headers)  # inside the route, whose error handler answers
            return message

        await self.app(scope, limited, send)

    def _error(self, headers: Headers) -> PayloadTooLarge:
        upload = headers.get("content-type", "").lower().startswith("multipart/form-data")
        message = f"The request body is larger than {self.limit} bytes."
        return PayloadTooLarge(message, param="file" if upload else None)
