"""Why a server is not there, in words that may be shown: no addresses, arguments or contents."""

from __future__ import annotations

import re

from shared.errors import MlxGatewayError

_STATUS = re.compile(r"'(\d{3} [A-Za-z ]+)'")


def describe(error: BaseException) -> str:
    """One line. Of several errors at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MlxGatewayError):
        return error.message
    if type(error).__name__ == "HTTPStatusError":
        found = _STATUS.search(str(error))
        return f"it answered {found[1]}" if found else "it answered with an error"
    if type(error).__name__ == "MCPError":
        return f"it answered with the error {getattr(error, 'code', 0)}"
    if isinstance(error, OSError):
        return f"it can't be reached ({error.strerror or type(error).__name__})"
    return f"it can't be reached ({type(error).__name__})"
