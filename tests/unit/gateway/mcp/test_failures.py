import httpx2
import pytest
from mcp import MCPError

from gateway.mcp.failures import describe
from shared.errors import ToolServerUnavailable

REQUEST = httpx2.Request("GET", "http://secret.example/?token=abc")


def _status(code: int) -> httpx2.HTTPStatusError:
    response = httpx2.Response(code, request=REQUEST)
    with pytest.raises(httpx2.HTTPStatusError) as raised:
        response.raise_for_status()
    return raised.value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ToolServerUnavailable("the program `x` isn't there"), "the program `x` isn't there"),
        (
            FileNotFoundError(2, "No such file or directory", "/srv/secret"),
            "it can't be reached (No such file or directory)",
        ),
        (httpx2.ConnectError("to secret.example"), "it can't be reached (ConnectError)"),
        (_status(401), "it answered 401 Unauthorized"),
        (MCPError(code=-32603, message="secret"), "it answered with the error -32603"),
        (
            ExceptionGroup("several", [ExceptionGroup("inner", [OSError(111, "Connection refused")])]),
            "it can't be reached (Connection refused)",
        ),
    ],
)
def test_words_without_secrets(error: Exception, text: str) -> None:
    assert describe(error) == text
    assert "secret" not in describe(error)
