"""Every error that a request or an operator can meet, as one tree.

    MlxGatewayError                 code                      HTTP
    ├── ConfigError                 config_error              (exit 2)
    ├── CodecError                  codec_error               500
    └── RequestError                                          carries status, param, retry_after
        ├── InvalidRequest          invalid_value             400
        │   ├── UnsupportedParameter unsupported_parameter    400
        │   ├── ContextLengthExceeded context_length_exceeded 400
        │   ├── WrongModality       wrong_modality            400
        │   ├── PreviousResponseNotFound previous_response_not_found 400
        │   └── CannotBind          cannot_bind               400
        ├── Unauthorized            invalid_api_key           401
        ├── Forbidden               permission_denied         403
        ├── ModelNotFound           model_not_found           404
        ├── NotFound                not_found                 404
        ├── MethodNotAllowed        method_not_allowed        405
        ├── PayloadTooLarge         payload_too_large         413
        ├── PoisonRequest           poison_request            422
        ├── Overloaded              overloaded                429
        │   └── RateLimited         rate_limit_exceeded       429
        ├── Cancelled               cancelled                 499
        ├── InternalError           internal_error            500
        ├── ToolServerUnavailable   tool_server_unavailable   502
        ├── ModelUnavailable        model_unavailable         503
        │   ├── ShuttingDown        shutting_down             503
        │   └── WorkerLost          worker_lost               503
        └── DeadlineExceeded        deadline_exceeded         504

A `RequestError` crosses the wire as `Failed(code, message, param)`; `from_code` rebuilds it on the other side.
"""

from __future__ import annotations

from typing import ClassVar


class MlxGatewayError(Exception):
    """Root of the tree. `code` is stable and machine-readable; the message is for people."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(MlxGatewayError):
    """The configuration can't be used. The message names the file, the path and what to do."""

    code = "config_error"


class CodecError(MlxGatewayError):
    """A frame can't be decoded."""

    code = "codec_error"


class RequestError(MlxGatewayError):
    """Ends one request. `param` names the offending parameter, `retry_after` is in seconds."""

    code = "request_error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after = retry_after


class InvalidRequest(RequestError):
    code = "invalid_value"
    status = 400


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class WrongModality(InvalidRequest):
    code = "wrong_modality"


class PreviousResponseNotFound(InvalidRequest):
    code = "previous_response_not_found"


class CannotBind(InvalidRequest):
    """No answer can be held to a grammar or schema; one that says less may do. Clients are told InvalidRequest."""

    code = "cannot_bind"


class Unauthorized(RequestError):
    code = "invalid_api_key"
    status = 401


class Forbidden(RequestError):
    code = "permission_denied"
    status = 403


class ModelNotFound(RequestError):
    code = "model_not_found"
    status = 404


class NotFound(RequestError):
    code = "not_found"
    status = 404


class MethodNotAllowed(RequestError):
    code = "method_not_allowed"
    status = 405


class PayloadTooLarge(RequestError):
    code = "payload_too_large"
    status = 413


class PoisonRequest(RequestError):
    """The request ended the worker that ran it, twice, the second time with nobody else to blame."""

    code = "poison_request"
    status = 422


class Overloaded(RequestError):
    code = "overloaded"
    status = 429


class RateLimited(Overloaded):
    code = "rate_limit_exceeded"


class Cancelled(RequestError):
    code = "cancelled"
    status = 499


class InternalError(RequestError):
    code = "internal_error"
    status = 500


class ToolServerUnavailable(RequestError):
    """An MCP server that the request needs can't be had, or went away while it worked."""

    code = "tool_server_unavailable"
    status = 502


class ModelUnavailable(RequestError):
    code = "model_unavailable"
    status = 503


class ShuttingDown(ModelUnavailable):
    code = "shutting_down"


class WorkerLost(ModelUnavailable):
    code = "worker_lost"


class DeadlineExceeded(RequestError):
    code = "deadline_exceeded"
    status = 504


def _tree(root: type[RequestError]) -> dict[str, type[RequestError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


_BY_CODE = _tree(RequestError)


def from_code(code: str, message: str, *, param: str | None = None, retry_after: float | None = None) -> RequestError:
    """Rebuilds the error that a `Failed` carries; an unknown code is an `InternalError`."""
    return _BY_CODE.get(code, InternalError)(message, param=param, retry_after=retry_after)
