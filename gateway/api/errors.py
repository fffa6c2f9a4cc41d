"""Every error of the HTTP side as a response in the shape of the caller's dialect: OpenAI's, or Anthropic's."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from gateway.dialects.anthropic import errors as anthropic
from gateway.dialects.openai.errors import error_body, error_object
from shared.errors import (
    Cancelled,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PoisonRequest,
    RequestError,
)

MESSAGES = "/v1/messages"
RETRIED_WITHIN = 60.0  # seconds; a client that waits longer for a model only hammers at the door


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the request is in Anthropic's dialect, by its path or by the header that its clients send."""
    path = scope["path"]
    return path == MESSAGES or path.startswith(f"{MESSAGES}/") or "anthropic-version" in Headers(scope=scope)


def error_response(error: RequestError, scope: Scope | None = None) -> JSONResponse:
    """In OpenAI's shape, unless the request's `scope` says otherwise.

    429 and 503 carry `Retry-After` in whole seconds, at least 1. What no retry can mend soon says so in the header that
    OpenAI's and Anthropic's clients obey.
    """
    headers = {}
    if error.retry_after is not None or error.status in (429, 503):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after or 1)))
    if isinstance(error, PoisonRequest) or (error.status == 503 and (error.retry_after or 0) > RETRIED_WITHIN):
        headers["x-should-retry"] = "false"
    if scope is not None and speaks_anthropic(scope):
        return JSONResponse(anthropic.error_body(error, _id(scope)), anthropic.to_status(error.status), headers)
    return JSONResponse(error_body(error), error.status, headers)


def _id(scope: Scope) -> str | None:
    found: str | None = scope.get("state", {}).get("request_id")
    return found


def internal_error(request_id: str) -> InternalError:
    """What the client learns of a bug: nothing but the id to quote."""
    return InternalError(f"The server had an error while processing your request. Request id: {request_id}.")


def install(app: FastAPI) -> None:
    """Maps the project's, Starlette's and FastAPI's errors; what is left is the request boundary's (`edge`)."""
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_request_error(request: Request, error: Exception) -> JSONResponse:
    return error_response(
        error if isinstance(error, RequestError) else InternalError("The request failed."), request.scope
    )


async def _on_disconnect(request: Request, error: Exception) -> JSONResponse:
    return error_response(Cancelled("The client closed the connection."), request.scope)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    first: dict[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {}
    param = ".".join(str(step) for step in first.get("loc", ())[1:]) or None
    return error_response(
        InvalidRequest(f"Invalid request: {first.get('msg', 'it is not valid')}.", param=param), request.scope
    )


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 404:
        response = error_response(NotFound(f"Invalid URL ({request.method} {request.url.path})."), request.scope)
    elif status == 405:
        response = error_response(
            MethodNotAllowed(f"{request.method} is not allowed for {request.url.path}."), request.scope
        )
    else:
        response = _plain(status, request.scope)
    response.headers.update({key: value for key, value in headers.items() if key.lower() in ("allow", "retry-after")})
    return response


def _plain(status: int, scope: Scope) -> JSONResponse:
    phrase = HTTPStatus(status).phrase
    if speaks_anthropic(scope):
        return JSONResponse(anthropic.error_object(f"{phrase}.", status, _id(scope)), anthropic.to_status(status))
    return JSONResponse(error_object(f"{phrase}.", status, None, phrase.lower().replace(" ", "_")), status)
