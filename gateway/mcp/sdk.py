"""The `mcp` package behind `server.Session`. Whatever knows that package, besides `stdio`, is here.

It negotiates the protocol itself (2026-07-28 and the handshakes before it). A lost connection shows in three ways: the
stream of messages ends (stdio, SSE), a request's failure ends the transport with an exception (streamable HTTP), or
the server has forgotten the session.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio
import httpx2
import mcp_types as types
from mcp import MCPError
from mcp.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from gateway.mcp.content import to_text
from gateway.mcp.events import ServerTool
from gateway.mcp.result import ToolResult
from gateway.mcp.server import Link
from gateway.mcp.stdio import stdio
from gateway.mcp.watched import Watched
from shared.config.mcp import McpServer
from shared.errors import ToolServerUnavailable

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

HTTP_TIMEOUT = 30.0  # seconds, for everything but reading
READ_TIMEOUT = 300.0  # seconds of silence on a stream
ANSWER_TIMEOUT = 60.0  # seconds, for every request that is no call
MOST_PAGES = 100
LISTEN_AGAIN = 1.0  # seconds

# It logs messages and their parse errors as they are: what servers and models wrote.
logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def connect(name: str, config: McpServer, link: Link) -> AsyncIterator[SdkSession]:
    """A session that is ready for requests; left in the task that entered it. Raises whatever the package raises."""

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            link.on_tools_changed()

    client = Client(
        _watched(_transport(name, config, link), link),
        read_timeout_seconds=ANSWER_TIMEOUT,
        message_handler=on_message,
        client_info=types.Implementation(name="mlx-gateway", version=version("mlx-gateway")),
        cache=None,
    )
    async with client, anyio.create_task_group() as group:
        tools = client.server_capabilities.tools
        if tools is not None and tools.list_changed and client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            group.start_soon(_follow, client, link)
        yield SdkSession(name, config, client, link)
        group.cancel_scope.cancel()


class SdkSession:
    """See `server.Session`."""

    def __init__(self, name: str, config: McpServer, client: Client, link: Link) -> None:
        self._name = name
        self._config = config
        self._client = client
        self._link = link

    async def list_tools(self) -> Sequence[ServerTool]:
        found: list[ServerTool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found += [_tool(self._name, tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def call(self, tool: str, arguments: Mapping[str, object]) -> ToolResult:
        patience = self._config.timeout + HTTP_TIMEOUT  # the owner's own timeout comes first
        try:
            result = await self._client.call_tool(tool, dict(arguments), read_timeout_seconds=patience)
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED or error.message == "Session terminated":
                self._link.on_lost()
                raise ToolServerUnavailable(f"The MCP server `{self._name}` went away while `{tool}` ran.") from error
            return ToolResult(error.message, is_error=True)
        except (ValidationError, RuntimeError):  # the package's words quote the answer's content
            return ToolResult("the server's answer is not valid", is_error=True)
        return ToolResult(to_text(result.content, result.structured_content), result.is_error)


def _tool(server: str, tool: types.Tool) -> ServerTool:
    notes = tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True) if tool.annotations else None
    schema = json.dumps(tool.input_schema, ensure_ascii=False)
    return ServerTool(server, tool.name, tool.description, schema, json.dumps(notes, ensure_ascii=False))


def _transport(name: str, config: McpServer, link: Link) -> AbstractAsyncContextManager[TransportStreams]:
    if config.command:
        return stdio(name, config, link)
    url, headers = str(config.url), dict(config.headers)
    silence = max(READ_TIMEOUT, config.timeout + HTTP_TIMEOUT)
    if config.transport == "sse":
        return sse_client(url, headers, HTTP_TIMEOUT, silence)
    return _http(url, headers, silence)


@asynccontextmanager
async def _http(url: str, headers: dict[str, str], silence: float) -> AsyncIterator[TransportStreams]:
    timeout = httpx2.Timeout(HTTP_TIMEOUT, read=silence)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        streamable_http_client(url, http_client=http) as streams,
    ):
        yield streams


@asynccontextmanager
async def _watched(
    transport: AbstractAsyncContextManager[TransportStreams], link: Link
) -> AsyncIterator[TransportStreams]:
    async with transport as (read, write):
        yield Watched(read, link.on_lost), write


async def _follow(client: Client, link: Link) -> None:
    """Hears of changed tools where the protocol has a subscription for it. There is no replay after a gap."""
    while True:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    link.on_tools_changed()
        except SubscriptionLost:
            pass
        except (MCPError, TimeoutError):
            return  # the server has no such subscription after all
        await anyio.sleep(LISTEN_AGAIN)
        link.on_tools_changed()
