"""Tools and the choice among them: Anthropic's shapes to the wire's.

Tools that Anthropic defines (web_search_20250305, bash_20250124 and the like) have no schema to show to a model: they
are left out of the prompt, and a request that forces one is refused. Toolsets of MCP servers: see `server_tools`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.dialects.anthropic.schema import ToolChoice, ToolParam
from gateway.dialects.anthropic.server_tools import TOOLSET
from gateway.dialects.anthropic.validate import invalid, restated, unsupported
from gateway.dialects.schema_limits import check_tool_names, check_tool_schemas
from shared.errors import InvalidRequest
from shared.messages import Tool

_SERVER = re.compile(r"[a-z0-9_]+_\d{8}|tool_search_tool_(regex|bm25)|mcp_toolset")


def to_tools(tools: Sequence[ToolParam]) -> tuple[Tool, ...]:
    """The client's own tools. Raises InvalidRequest for one that can't be told from another, or has no schema."""
    own = {f"tools.{index}": tool for index, tool in enumerate(tools) if not is_server_tool(tool)}
    for at, tool in own.items():
        _check_type(tool, at)
    try:
        check_tool_names([tool.name or "" for tool in own.values()], [f"{at}.name" for at in own], longest=128)
        schemas = check_tool_schemas(
            [(tool.input_schema or {}, f"{at}.input_schema", bool(tool.strict)) for at, tool in own.items()]
        )
    except InvalidRequest as error:
        raise restated(error) from None
    return tuple(
        Tool(tool.name or "", tool.description, schema, bool(tool.strict))
        for tool, schema in zip(own.values(), schemas, strict=True)
    )


def schema_paths(tools: Sequence[ToolParam]) -> tuple[str, ...]:
    """Where each of the client's own tools has its schema."""
    return tuple(f"tools.{index}.input_schema" for index, tool in enumerate(tools) if not is_server_tool(tool))


def is_server_tool(tool: ToolParam) -> bool:
    return tool.type is not None and _SERVER.fullmatch(tool.type) is not None


def left_out(tools: Sequence[ToolParam] | None) -> list[str]:
    """The types of tools that are not in the prompt, for the debug log."""
    left = [tool.type or "" for tool in tools or () if is_server_tool(tool) and tool.type != TOOLSET]
    return [f"tools: {kind[:64]}" for kind in left]


def check_choice(choice: ToolChoice | None, tools: Sequence[ToolParam]) -> None:
    """Raises InvalidRequest for a choice that can't be kept."""
    if choice is None or choice.type in ("auto", "none"):
        return
    if choice.type == "any":
        if not any(tool.type == TOOLSET or not is_server_tool(tool) for tool in tools):
            raise invalid("tool_choice", "'any' may only be specified while providing tools of your own")
        return
    if choice.name is None:
        raise invalid("tool_choice.tool.name", "Field required")
    named = next((tool for tool in tools if tool.name == choice.name), None)
    if named is None:
        raise invalid("tool_choice", f"Tool '{choice.name[:128]}' not found in provided tools")
    if is_server_tool(named):
        raise unsupported("tool_choice", f"the server tool '{choice.name}' ({named.type}) is not available here")


def _check_type(tool: ToolParam, at: str) -> None:
    if tool.type not in (None, "custom"):
        raise invalid(f"{at}.type", f"Input tag '{(tool.type or '')[:64]}' is not a known type of tool; use 'custom'")
    if tool.name is None:
        raise invalid(f"{at}.name", "Field required")
    if tool.input_schema is None:
        raise invalid(f"{at}.input_schema", "Field required")
