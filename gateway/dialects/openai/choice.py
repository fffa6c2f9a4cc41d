"""Which tools a chat request lets the model call, and whether it has to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Tool

_MODES = ("none", "auto", "required")


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`callable` empty: all tools."""

    mode: Literal["none", "auto", "required"] = "auto"
    callable: tuple[str, ...] = ()


class _Named(Lenient):
    name: str


class _Function(Lenient):
    type: Literal["function"] = "function"
    function: _Named


class _AllowedTools(Lenient):
    mode: Literal["auto", "required"]
    tools: list[_Function]


def is_named(choice: str | dict[str, Any] | None) -> bool:
    """Whether one function has to be called; OpenAI ends such an answer with `stop`, not with `tool_calls`."""
    return isinstance(choice, dict) and choice.get("type") == "function"


def to_choice(
    choice: str | dict[str, Any] | None, tools: Sequence[Tool], at: str = "tool_choice", servers: bool = False
) -> ToolChoice:
    """Raises InvalidRequest for a choice that can't be kept. `servers`: there are tools of MCP servers besides."""
    if isinstance(choice, dict):
        return _from_object(choice, tools, at)
    if choice is None or choice == "auto":
        return ToolChoice()
    if choice == "none":
        return ToolChoice("none")
    if choice != "required":
        names = ", ".join(f"'{mode}'" for mode in _MODES)
        raise InvalidRequest(f"Invalid value for '{at}'. Supported values are: {names}, or an object.", param=at)
    if not (tools or servers):
        raise InvalidRequest(f"Invalid value for '{at}': it is only allowed when 'tools' are specified.", param=at)
    return ToolChoice("required")


def _from_object(choice: dict[str, Any], tools: Sequence[Tool], at: str) -> ToolChoice:
    known = {tool.name for tool in tools}
    kind = choice.get("type")
    if kind == "function":
        name = validate(_Function, choice, at).function.name
        return ToolChoice("required", (known_tool(name, known, f"{at}.function.name"),))
    if kind == "allowed_tools":
        if not isinstance(choice.get("allowed_tools"), dict):
            raise InvalidRequest(f"Missing required parameter: '{at}.allowed_tools'.", param=f"{at}.allowed_tools")
        path = f"{at}.allowed_tools"
        allowed = validate(_AllowedTools, choice["allowed_tools"], path)
        names = [
            known_tool(one.function.name, known, f"{path}.tools[{index}].function.name")
            for index, one in enumerate(allowed.tools)
        ]
        if not names:
            raise InvalidRequest(f"Invalid value for '{path}.tools': it must not be empty.", param=f"{path}.tools")
        return ToolChoice(allowed.mode, tuple(dict.fromkeys(names)))
    if kind == "custom":
        raise UnsupportedParameter(
            f"Unsupported value for '{at}.type': only tools of type 'function' are supported.", param=f"{at}.type"
        )
    raise InvalidRequest(
        f"Invalid value for '{at}.type'. Supported values are: 'function', 'allowed_tools'.", param=f"{at}.type"
    )


def known_tool(name: str, known: Collection[str], param: str) -> str:
    """Raises InvalidRequest for a name that is no tool's."""
    if name not in known:
        raise InvalidRequest(f"Invalid value for '{param}': {name[:128]!r} is not in 'tools'.", param=param)
    return name
