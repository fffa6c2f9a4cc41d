"""All MCP servers of a node, and the tools that they offer."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping

from gateway.mcp.client import connect
from gateway.mcp.events import ServerTool
from gateway.mcp.naming import qualified
from gateway.mcp.result import ToolResult
from gateway.mcp.server import Connect, ServerFacts, ToolServer
from shared.config.mcp import McpServer
from shared.errors import InvalidRequest, NotFound

_LONGEST_NAME = 100  # characters of an unknown name that are said back


class ToolServers:
    def __init__(self, config: Mapping[str, McpServer], connect: Connect = connect) -> None:
        self._servers = {name: ToolServer(name, one, connect) for name, one in config.items()}

    def start(self) -> None:
        """Returns at once: servers come when they come."""
        for server in self._servers.values():
            server.start()

    async def stop(self) -> None:
        """No process, connection or task is left."""
        await asyncio.gather(*(server.stop() for server in self._servers.values()))

    def check(self, server: str, param: str | None) -> None:
        """Raises InvalidRequest for a name in a request that the YAML does not have."""
        if server not in self._servers:
            raise InvalidRequest(_unknown("MCP server", server, list(self._servers)), param=param)

    async def tools(self, server: str) -> tuple[ServerTool, ...]:
        """Raises NotFound or ToolServerUnavailable."""
        return await self._server(server).tools()

    async def call(self, tool: ServerTool, arguments: Mapping[str, object]) -> ToolResult:
        """Raises NotFound, ToolServerUnavailable or DeadlineExceeded."""
        return await self._server(tool.server).call(tool.name, arguments)

    def config(self, server: str) -> McpServer:
        """Raises NotFound."""
        return self._server(server).config

    def facts(self) -> list[ServerFacts]:
        return [server.facts() for server in self._servers.values()]

    async def find(self, server: str | None, tool: str) -> ServerTool:
        """A tool by its own name, or as `server__tool`; without a server one that no other has.

        Raises NotFound, or ToolServerUnavailable for a server that is not there.
        """
        if server is not None:
            known = list(await self.tools(server))
        else:
            known = [one for facts in self.facts() for one in facts.tools]
        exact = [one for one in known if qualified(one) == tool] or [one for one in known if one.name == tool]
        if len(exact) == 1:
            return exact[0]
        if exact:
            names = ", ".join(f"`{qualified(one)}`" for one in exact)
            raise NotFound(f"Several MCP servers have a tool `{tool}`; name one of {names}.", param="tool")
        names_near = [name for one in known for name in (one.name, qualified(one))]
        raise NotFound(_unknown("tool", tool, names_near), param="tool")

    def _server(self, name: str) -> ToolServer:
        found = self._servers.get(name)
        if found is None:
            raise NotFound(_unknown("MCP server", name, list(self._servers)), param="server")
        return found


def _unknown(what: str, name: str, names: list[str]) -> str:
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    near = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=1, cutoff=0.5)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"The {what} `{shown}` does not exist.{hint}"
