"""Anthropic's error object: {"type": "error", "error": {"type", "message"}, "request_id"}.

Its errors have no field for the parameter, so the message names it. https://docs.claude.com/en/api/errors
"""

from __future__ import annotations

import re
from typing import Any

from shared.errors import ContextLengthExceeded, RequestError

OVERLOADED = 529  # Anthropic's own status for what is 503 elsewhere; its clients come back later

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}


def to_status(status: int) -> int:
    return OVERLOADED if status == 503 else status


def error_object(message: str, status: int, request_id: str | None) -> dict[str, Any]:
    kind = _TYPES.get(to_status(status), "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def error_body(error: RequestError, request_id: str | None) -> dict[str, Any]:
    return error_object(_message(error), error.status, request_id)


def _message(error: RequestError) -> str:
    if isinstance(error, ContextLengthExceeded):
        return _too_long(error.message)
    if error.param is None or error.param in error.message:
        return error.message
    return f"{error.param}: {error.message}"


_SIZES = re.compile(r"length is (\d+) tokens.*?(?:\((\d+) in the messages|requested (\d+) tokens)")


def _too_long(message: str) -> str:
    """The words by which Claude Code knows that it has to compact, and by how much."""
    found = _SIZES.search(message)
    if found is None:
        return f"prompt is too long: {message}"
    return f"prompt is too long: {found[2] or found[3]} tokens > {found[1]} maximum"
