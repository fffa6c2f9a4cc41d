"""Tools and the choice among them: Anthropic's shapes to the wire's.

Tools that Anthropic defines (web_search_20250305, bash_20250124 and the like) have no schema to show to a model: they
are left out of the prompt, and a request that forces one is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from gateway.dialects.anthropic.schema import ToolChoice, ToolParam
from gateway.dialects.anthropic.validate import invalid, unsupported
from shared.messages import Tool

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_SERVER = re.compile(r"[a-z0-9_]+_\d{8}|tool_search_tool_(regex|bm25)|mcp_toolset")


def to_tools(tools: Sequence[ToolParam]) -> tuple[Tool, ...]:
    """The client's own tools. Raises InvalidRequest for one that can't be told from another, or has no schema."""
    found = [_tool(tool, f"tools.{index}") for index, tool in enumerate(tools) if not is_server_tool(tool)]
    if len({tool.name for tool in found}) < len(found):
        raise invalid("tools", "Tool names must be unique.")
    return tuple(found)


def is_server_tool(tool: ToolParam) -> bool:
    return tool.type is not None and _SERVER.fullmatch(tool.type) is not None


def left_out(tools: Sequence[ToolParam] | None) -> list[str]:
    """The types of tools that are not in the prompt, for the debug log."""
    return [f"tools: {(tool.type or '')[:64]}" for tool in tools or () if is_server_tool(tool)]


def check_choice(choice: ToolChoice | None, tools: Sequence[ToolParam]) -> None:
    """Raises InvalidRequest for a choice that can't be kept."""
    if choice is None or choice.type in ("auto", "none"):
        return
    if choice.type == "any":
        raise unsupported("tool_choice", "forced tool calls ('any') are not supported yet; use 'auto' or 'none'")
    if choice.name is None:
        raise invalid("tool_choice.tool.name", "Field required")
    named = next((tool for tool in tools if tool.name == choice.name), None)
    if named is None:
        raise invalid("tool_choice", f"Tool '{choice.name[:128]}' not found in provided tools")
    if is_server_tool(named):
        raise unsupported("tool_choice", f"the server tool '{choice.name}' ({named.type}) is not available here")
    raise unsupported("tool_choice", "forced tool calls ('tool') are not supported yet; use 'auto' or 'none'")


def _tool(tool: ToolParam, at: str) -> Tool:
    if tool.type not in (None, "custom"):
        raise invalid(f"{at}.type", f"Input tag '{(tool.type or '')[:64]}' is not a known type of tool; use 'custom'")
    if tool.name is None:
        raise invalid(f"{at}.name", "Field required")
    if not _NAME.fullmatch(tool.name):
        raise invalid(f"{at}.name", f"String should match pattern '^{_NAME.pattern}$'")
    if tool.input_schema is None:
        raise invalid(f"{at}.input_schema", "Field required")
    return Tool(tool.name, tool.description, json.dumps(tool.input_schema, ensure_ascii=False), bool(tool.strict))
