"""Tools of MCP servers in the Messages API: who may use which, and the blocks of their calls.

`mcp_servers` names servers of the node's YAML; `mcp_toolset` entries of `tools` say which of their tools, or, as the
first beta had it, `tool_configuration` does. What is asked, and how, is the YAML's alone: a `url` may be left out or
empty, and is refused if it is another one; an `authorization_token` is refused.
https://docs.claude.com/en/docs/agents-and-tools/mcp-connector
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from gateway.dialects.anthropic.validate import invalid, unsupported, validate
from gateway.dialects.openai.lenient import Lenient
from gateway.mcp.events import ServerCallBegins, ServerCallEnds, ServerUse
from shared.config.mcp import McpServer

Payload = dict[str, Any]
TOOLSET = "mcp_toolset"


class _Configuration(Lenient):
    enabled: bool | None = None
    allowed_tools: list[str] | None = None


class _Server(Lenient):
    name: str = Field(min_length=1)
    type: Literal["url"] = "url"
    url: str | None = None
    authorization_token: str | None = None
    tool_configuration: _Configuration | None = None


class _Enabled(Lenient):
    enabled: bool | None = None


class _Toolset(Lenient):
    mcp_server_name: str = Field(min_length=1)
    default_config: _Enabled | None = None
    configs: dict[str, _Enabled] | None = None


# ------------------------------------------------------------------ the request
def server_uses(body: Mapping[str, Any], known: Mapping[str, McpServer]) -> tuple[ServerUse, ...]:
    """Of a Messages request whose other parts are valid. `known` are the node's servers. Raises InvalidRequest."""
    servers = body.get("mcp_servers") or []
    if not isinstance(servers, list):
        raise invalid("mcp_servers", "Input should be a valid list")
    found: dict[str, ServerUse] = {}
    for index, server in enumerate(servers):
        use = _use(server, f"mcp_servers.{index}", known)
        if use.server in found:
            raise invalid(f"mcp_servers.{index}.name", "MCP server names must be unique")
        found[use.server] = use
    _apply_toolsets(body.get("tools") or [], found)
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "none":
        return ()
    return tuple(use for use in found.values() if use.tools != ())


def _use(server: object, at: str, known: Mapping[str, McpServer]) -> ServerUse:
    given = validate(_Server, server if isinstance(server, dict) else {}, at)
    configured = known.get(given.name)
    if configured is not None and given.url and given.url != configured.url:
        raise unsupported(f"{at}.url", "it is not the address of this server; the node's configuration has it")
    if given.authorization_token:
        raise unsupported(f"{at}.authorization_token", "how servers are reached is the node's configuration")
    configuration = given.tool_configuration or _Configuration()
    allowed = configuration.allowed_tools if configuration.enabled is not False else []
    return ServerUse(given.name, None if allowed is None else tuple(allowed), param=f"{at}.name")


def _apply_toolsets(tools: Sequence[object], found: dict[str, ServerUse]) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if not (isinstance(tool, dict) and tool.get("type") == TOOLSET):
            continue
        at = f"tools.{index}"
        given = validate(_Toolset, tool, at)
        name = given.mcp_server_name
        if name not in found:
            raise invalid(f"{at}.mcp_server_name", f"MCP server '{name[:100]}' not found in mcp_servers")
        if name in seen:
            raise invalid(f"{at}.mcp_server_name", f"MCP server '{name[:100]}' has more than one toolset")
        seen.add(name)
        found[name] = _toolset_use(given, found[name])


def _toolset_use(given: _Toolset, server: ServerUse) -> ServerUse:
    configs = given.configs or {}
    if given.default_config is not None and given.default_config.enabled is False:
        some = tuple(name for name, config in configs.items() if config.enabled)
        return ServerUse(server.server, some, param=server.param)
    off = tuple(name for name, config in configs.items() if config.enabled is False)
    return ServerUse(server.server, server.tools, off, param=server.param)


# ------------------------------------------------------------------ the answer
def to_use_block(event: ServerCallBegins) -> Payload:
    return {
        "type": "mcp_tool_use",
        "id": _id(event.call),
        "name": event.name,
        "server_name": event.server,
        "input": {},
    }


def to_result_block(event: ServerCallEnds) -> Payload:
    content = [{"type": "text", "text": event.output}]
    return {
        "type": "mcp_tool_result",
        "tool_use_id": _id(event.call),
        "is_error": event.error is not None,
        "content": content,
    }


def _id(call: str) -> str:
    return f"mcptoolu_{call}"
