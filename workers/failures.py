"""What a request is told when its own work raises."""

from __future__ import annotations

from shared.errors import InternalError, RequestError
from shared.logs import Logger
from shared.messages import Failed, Usage


def failed(request: str, error: RequestError, usage: Usage | None = None) -> Failed:
    return Failed(request, error.code, error.message, error.param, usage or Usage())


def failure_of(request: str, error: Exception, log: Logger) -> Failed:
    """The ending for an exception at the request boundary; call it inside the `except` block.

    Only a `RequestError` speaks to the client: another exception's text may quote the prompt.
    """
    if isinstance(error, RequestError):
        return failed(request, error)
    log.exception("a request broke", request=request, error=type(error).__name__)
    return failed(request, InternalError("the worker met an internal error with this request"))
