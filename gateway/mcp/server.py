"""One MCP server's life. One task owns the connection: what is entered in a task has to be left in it.

    connecting ──tools listed──► ready ──connection lost──► backoff (1, 2, 4 … 60 s) ──► connecting
         └────────── error, or no answer in time ─────────────►┘

A server that stayed ready for a minute starts again at one second. `call` runs in the caller's task; the end of the
connection ends it with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import anyio

from gateway.mcp.events import ServerTool
from gateway.mcp.failures import describe
from gateway.mcp.result import ToolResult
from shared.config.mcp import McpServer
from shared.errors import DeadlineExceeded, ToolServerUnavailable
from shared.logs import get_logger

log = get_logger("gateway.mcp")

CONNECT_TIMEOUT = 60.0  # seconds from the start to the list of tools; `npx -y` downloads first
FIRST_WAIT = 10.0  # seconds after the start in which requests wait for a server
LONGEST_BACKOFF = 60.0
STEADY = 60.0  # seconds of being ready that make up for earlier failures

ServerState = Literal["connecting", "ready", "backoff", "stopped"]


class Link:
    """What a connection and its owner have to tell each other, from any task of the event loop."""

    def __init__(self) -> None:
        self.lost = False
        self.ready = False  # set by the owner: from now on requests come
        self._news = asyncio.Event()

    def on_lost(self) -> None:
        """The connection is of no use any more."""
        self.lost = True
        self._news.set()

    def on_tools_changed(self) -> None:
        self._news.set()

    async def tools_changed(self) -> bool:
        """Waits for news: True when the tools changed, False when the connection is lost."""
        await self._news.wait()
        self._news.clear()
        return not self.lost


class Session(Protocol):
    async def list_tools(self) -> Sequence[ServerTool]: ...

    async def call(self, tool: str, arguments: Mapping[str, object]) -> ToolResult:
        """A tool's own failure is a result. Raises ToolServerUnavailable for a broken connection."""
        ...


Connect = Callable[[str, McpServer, Link], AbstractAsyncContextManager[Session]]


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of a server. `error` is why it is not ready, or was not the last time."""

    name: str
    transport: Literal["stdio", "http", "sse"]
    state: ServerState
    tools: tuple[ServerTool, ...]
    error: str | None


class ToolServer:
    def __init__(
        self,
        name: str,
        config: McpServer,
        connect: Connect,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        first_wait: float = FIRST_WAIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.config = config
        self.state: ServerState = "stopped"
        self.error: str | None = None
        self._connect = connect
        self._connect_timeout = connect_timeout
        self._first_wait = first_wait
        self._clock = clock
        self._sleep = sleep
        self._started = -math.inf
        self._tools: tuple[ServerTool, ...] = ()
        self._session: Session | None = None
        self._calls: set[asyncio.Task[ToolResult]] = set()
        self._tried = asyncio.Event()  # the first attempt is over, well or badly
        self._scope: anyio.CancelScope | None = None
        self._owner: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ verbs
    def start(self) -> None:
        """Idempotent; returns at once."""
        if self._owner is None:
            self.state, self._scope = "connecting", anyio.CancelScope()
            self._started = self._clock()
            self._owner = asyncio.create_task(self._live(self._scope), name=f"mcp {self.name}")

    async def stop(self) -> None:
        """Ends the connection, its process and the calls in flight. Idempotent."""
        if self._scope is not None and self._owner is not None:
            self._scope.cancel()
            await asyncio.gather(self._owner, return_exceptions=True)

    async def tools(self) -> tuple[ServerTool, ...]:
        """Those of the YAML's list; waits only while the server has just been started. Raises ToolServerUnavailable."""
        patience = self._started + self._first_wait - self._clock()
        if not self._tried.is_set() and patience > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), patience)
        if self._session is None:
            raise self._unavailable()
        return self._tools

    async def call(self, tool: str, arguments: Mapping[str, object]) -> ToolResult:
        """Cancelled with its caller. Raises ToolServerUnavailable, or DeadlineExceeded after the YAML's `timeout`."""
        if self._session is None:
            raise self._unavailable()
        task = asyncio.ensure_future(self._session.call(tool, arguments))
        self._calls.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=self.config.timeout)
            if not task.done():
                timeout = f"{self.config.timeout:g} s"
                raise DeadlineExceeded(f"`{tool}` of the MCP server `{self.name}` did not answer within {timeout}.")
            if task.cancelled():
                raise ToolServerUnavailable(f"The MCP server `{self.name}` went away while `{tool}` ran.")
            return task.result()
        finally:
            task.cancel()

    def facts(self) -> ServerFacts:
        transport = "stdio" if self.config.command else self.config.transport
        return ServerFacts(self.name, transport, self.state, self._tools, self.error)

    # ------------------------------------------------------------------ the owner
    async def _live(self, scope: anyio.CancelScope) -> None:
        failures = 0
        with scope:
            while True:
                ready_for = await self._connection()
                failures = 0 if ready_for >= STEADY else failures
                delay = min(LONGEST_BACKOFF, 2.0**failures)
                failures += 1
                self.state = "backoff"
                log.warning("MCP server is not there", server=self.name, error=self.error, retry_in=delay)
                self._tried.set()
                await self._sleep(delay)
        self.state = "stopped"
        self._tried.set()

    async def _connection(self) -> float:
        """Connects, and stays until the connection is lost; returns for how many seconds it was ready."""
        self.state, since, link = "connecting", math.inf, Link()
        with anyio.move_on_after(self._connect_timeout) as scope:
            try:
                async with self._connect(self.name, self.config, link) as session:
                    try:
                        await self._list(session)
                        scope.deadline, since = math.inf, self._clock()
                        self._ready(session, link)
                        while await link.tools_changed():
                            await self._list(session)
                        self.error = "the connection was lost"
                    finally:
                        self._disconnected()
            except Exception as error:
                # A server is foreign code behind a network: whatever it does ends its connection, not the gateway.
                self.error = describe(error)
        if scope.cancelled_caught:
            self.error = f"no answer within {self._connect_timeout:g} s"
        return max(0.0, self._clock() - since)

    async def _list(self, session: Session) -> None:
        wanted = self.config.tools
        self._tools = tuple(tool for tool in await session.list_tools() if wanted is None or tool.name in wanted)

    def _ready(self, session: Session, link: Link) -> None:
        link.ready = True
        self._session, self.state, self.error = session, "ready", None
        self._tried.set()
        log.info("MCP server is ready", server=self.name, tools=len(self._tools))

    def _disconnected(self) -> None:
        self._session, self._tools = None, ()
        for task in self._calls:
            task.cancel()

    # ------------------------------------------------------------------ calls
    def _forget(self, task: asyncio.Task[ToolResult]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has seen it, or is gone

    def _unavailable(self) -> ToolServerUnavailable:
        why = f": {self.error}" if self.error else " yet" if self.state == "connecting" else ""
        return ToolServerUnavailable(f"The MCP server `{self.name}` is not available{why}.")
