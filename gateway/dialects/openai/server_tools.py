"""Tools of MCP servers in chat completions: who may use which, and how their calls look.

OpenAI's chat completions know no such tools, so this is an extension in the shapes of its Responses API. A request
names a server of the node by a tool `{"type": "mcp", "server_label": "weather"}`; a model's YAML may name more. The
answer's message has the calls that the node made under `mcp_calls`, as `mcp_call` items:

    {"id": …, "type": "mcp_call", "server_label": …, "name": …, "arguments": "{…}", "output": "…", "error": null}

A stream has them in `delta.mcp_calls`, as it has `tool_calls`: a piece with an `index` brings id, label and name,
pieces of arguments follow, and the last one brings output and error. OpenAI's clients tolerate both extra fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.validate import validate
from gateway.mcp.events import (
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerEvent,
    ServerUse,
)
from shared.config.mcp import McpServer
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Accepted, Delta, TextDelta


# ------------------------------------------------------------------ the request
class _ToolFilter(Lenient):
    tool_names: list[str] | None = None


class _McpTool(Lenient):
    server_label: str = Field(min_length=1)
    server_url: str | None = None
    allowed_tools: list[str] | _ToolFilter | None = None
    require_approval: str | dict[str, Any] | None = None
    headers: dict[str, Any] | None = None
    authorization: str | None = None
    connector_id: str | None = None


def server_uses(body: Mapping[str, Any], servers: Mapping[str, McpServer]) -> tuple[ServerUse, ...]:
    """Of a chat request whose other parts are valid. `servers` are the node's. Raises InvalidRequest."""
    if body.get("tool_choice") == "none":
        return ()
    tools = [tool if isinstance(tool, dict) else {} for tool in body.get("tools") or ()]
    found = [to_use(tool, f"tools[{at}]", servers) for at, tool in enumerate(tools) if tool.get("type") == "mcp"]
    labels = [use.server for use in found]
    for use in found:
        if labels.count(use.server) > 1:
            raise InvalidRequest(f"The MCP server `{use.server[:100]}` is named twice.", param=use.param)
    return tuple(found)


def to_use(tool: Mapping[str, Any], at: str, servers: Mapping[str, McpServer]) -> ServerUse:
    """A tool of type `mcp` at the path `at`; what is asked, and how, only the YAML says. Raises InvalidRequest."""
    given = validate(_McpTool, dict(tool), at)
    known = servers.get(given.server_label)
    if known is not None and given.server_url and given.server_url != known.url:
        raise _unsupported(f"{at}.server_url", "it is not the address of this server; the node's configuration has it")
    for name in ("headers", "authorization", "connector_id"):
        if getattr(given, name):
            raise _unsupported(f"{at}.{name}", "how servers are reached is the node's configuration")
    if given.require_approval not in (None, "never"):
        raise _unsupported(f"{at}.require_approval", "calls are made without asking; use 'never'")
    allowed = given.allowed_tools
    names = allowed.tool_names if isinstance(allowed, _ToolFilter) else allowed
    return ServerUse(given.server_label, None if names is None else tuple(names), param=f"{at}.server_label")


def _unsupported(param: str, why: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"Unsupported parameter: '{param}' is not supported ({why}).", param=param)


# ------------------------------------------------------------------ the answer
class ServerCalls:
    """The calls of one answer, as pieces for a stream and as whole items."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._said = self._between = False

    def piece(self, event: ServerEvent) -> dict[str, Any] | None:
        """The piece of `delta.mcp_calls` that an event makes, if it makes one."""
        if isinstance(event, ServerCallBegins):
            place = self._places[event.call] = len(self.items)
            head = {"id": f"mcp_{event.call}", "type": "mcp_call", "server_label": event.server, "name": event.name}
            self.items.append({**head, "arguments": "", "output": None, "error": None})
            return {"index": place, **head, "arguments": ""}
        if isinstance(event, ServerCallArguments):
            place = self._places[event.call]
            self.items[place]["arguments"] += event.arguments
            return {"index": place, "arguments": event.arguments}
        if isinstance(event, ServerCallEnds):
            self._between = True
            place = self._places[event.call]
            end = {"output": event.output if event.error is None else None, "error": event.error}
            self.items[place] |= end
            return {"index": place, **end}
        return None

    def message(self) -> dict[str, Any]:
        """What the answer's message has of them."""
        return {"mcp_calls": self.items} if self.items else {}

    def spaced(self, event: Accepted | Delta) -> Accepted | Delta:
        """The event; a text after calls begins a paragraph, where there is text before them."""
        if not isinstance(event, TextDelta) or not event.text:
            return event
        gap, self._between = self._said and self._between, False
        self._said = True
        return replace(event, text=f"\n\n{event.text}") if gap else event
