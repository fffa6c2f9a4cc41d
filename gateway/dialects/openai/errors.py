"""OpenAI's error object: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from typing import Any

from shared.errors import RequestError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    499: "client_closed_request",
    503: "service_unavailable",
    504: "timeout_error",
}


def error_object(message: str, status: int, param: str | None, code: str | None) -> dict[str, Any]:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_body(error: RequestError) -> dict[str, Any]:
    return error_object(error.message, error.status, error.param, error.code)
