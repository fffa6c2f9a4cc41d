"""Every error of the HTTP side as a response in OpenAI's shape."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gateway.dialects.openai.errors import error_body, error_object
from shared.errors import Cancelled, InternalError, InvalidRequest, MethodNotAllowed, NotFound, RequestError


def error_response(error: RequestError) -> JSONResponse:
    """429 and 503 carry `Retry-After` in whole seconds, at least 1."""
    headers = {}
    if error.retry_after is not None or error.status in (429, 503):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after or 1)))
    return JSONResponse(error_body(error), error.status, headers)


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
    return error_response(error if isinstance(error, RequestError) else InternalError("The request failed."))


async def _on_disconnect(request: Request, error: Exception) -> JSONResponse:
    return error_response(Cancelled("The client closed the connection."))


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    first: dict[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {}
    param = ".".join(str(step) for step in first.get("loc", ())[1:]) or None
    return error_response(InvalidRequest(f"Invalid request: {first.get('msg', 'it is not valid')}.", param=param))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 404:
        response = error_response(NotFound(f"Invalid URL ({request.method} {request.url.path})."))
    elif status == 405:
        response = error_response(MethodNotAllowed(f"{request.method} is not allowed for {request.url.path}."))
    else:
        phrase = HTTPStatus(status).phrase
        response = JSONResponse(error_object(f"{phrase}.", status, None, phrase.lower().replace(" ", "_")), status)
    response.headers.update({key: value for key, value in headers.items() if key.lower() in ("allow", "retry-after")})
    return response
