"""MCP without servers: a catalogue that answers from a table, and a connection that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.mcp.events import ServerTool
from gateway.mcp.result import ToolResult
from gateway.mcp.server import Link
from shared.config.mcp import McpServer
from shared.errors import RequestError, ToolServerUnavailable

WEATHER = ServerTool("weather", "get_weather", "The weather in a city.", '{"type": "object"}')
CLOCK = ServerTool("clock", "now", "The time.", '{"type": "object"}')
Answer = Callable[[Mapping[str, object]], ToolResult | RequestError | asyncio.Event]


class FakeServers:
    """`answers` by the tools' names; an event is a call that waits for it. A server in `missing` is not there."""

    def __init__(self, *tools: ServerTool, answers: Mapping[str, Answer] | None = None) -> None:
        self.listed = tools or (WEATHER, CLOCK)
        self.answers = dict(answers or {})
        self.missing: set[str] = set()
        self.called: list[tuple[str, dict[str, object]]] = []
        self.running = self.most = 0
        self.cancelled: list[str] = []

    async def tools(self, server: str) -> Sequence[ServerTool]:
        if server in self.missing:
            raise ToolServerUnavailable(f"The MCP server `{server}` is not available.")
        return [tool for tool in self.listed if tool.server == server]

    async def call(self, tool: ServerTool, arguments: Mapping[str, object]) -> ToolResult:
        self.called.append((tool.name, dict(arguments)))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            result = self.answers.get(tool.name, lambda _: ToolResult("fine"))(arguments)
            if isinstance(result, asyncio.Event):
                await result.wait()
                return ToolResult("fine")
            if isinstance(result, RequestError):
                raise result
            return result
        except asyncio.CancelledError:
            self.cancelled.append(tool.name)
            raise
        finally:
            self.running -= 1


class FakeSession:
    def __init__(self, link: Link, tools: Sequence[ServerTool]) -> None:
        self.link = link
        self.tools = list(tools)
        self.gate = asyncio.Event()  # calls wait for it
        self.cancelled = 0
        self.closed = False

    async def list_tools(self) -> Sequence[ServerTool]:
        return list(self.tools)

    async def call(self, tool: str, arguments: Mapping[str, object]) -> ToolResult:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return ToolResult(f"{tool} {dict(arguments)}")


class FakeConnections:
    """Hand it to a `ToolServer` as `connect`. `plans` of the next attempts: an error, or an event to wait for first."""

    def __init__(
        self, *plans: Exception | asyncio.Event, tools: Sequence[ServerTool] = (WEATHER,), answering: bool = False
    ) -> None:
        """`answering`: calls don't wait."""
        self.answering = answering
        self.plans = list(plans)
        self.tools = list(tools)
        self.sessions: list[FakeSession] = []
        self.attempts = 0
        self.tasks: list[tuple[Any, Any]] = []  # which task entered, and which left

    @asynccontextmanager
    async def __call__(self, name: str, config: McpServer, link: Link) -> AsyncIterator[FakeSession]:
        self.attempts += 1
        plan = self.plans.pop(0) if self.plans else None
        if isinstance(plan, Exception):
            raise plan
        if plan is not None:
            await plan.wait()
        session = FakeSession(link, [tool for tool in self.tools if tool.server == name])
        if self.answering:
            session.gate.set()
        self.sessions.append(session)
        entered = asyncio.current_task()
        try:
            yield session
        finally:
            session.closed = True
            self.tasks.append((entered, asyncio.current_task()))
