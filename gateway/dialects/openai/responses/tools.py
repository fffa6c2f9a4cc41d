"""Tools: what the client names, what the model is shown, and the way back from one name to the other.

A namespace's functions are shown under joined names. A custom tool takes free text: the model sees a function with one
string, `input`. Tools that OpenAI would run itself (web_search and the like) have nothing to show and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.dialects.openai.responses.schema import CustomTool, FunctionTool, Item, NamespaceTool
from gateway.dialects.openai.validate import validate
from gateway.dialects.schema_limits import MAX_TOOLS, check_schema
from gateway.mcp.events import ServerTool
from gateway.mcp.naming import offered
from shared.errors import InvalidRequest
from shared.messages import Tool

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Callee:
    """What the client calls a tool that the model knows by one flat name."""

    kind: Literal["function", "custom", "approval"]  # approval: a server's tool, whose calls the user approves first
    name: str
    namespace: str | None = None  # of an approval: the server


@dataclass(slots=True)
class Toolbox:
    """The tools of one request. `left_out` are the types of those that no model is shown."""

    tools: list[Tool] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)  # where each tool has its schema
    callees: dict[str, Callee] = field(default_factory=dict)
    mcp: list[tuple[str, Item]] = field(default_factory=list)  # path and tool of type mcp
    left_out: list[str] = field(default_factory=list)

    def callee(self, flat: str) -> Callee:
        """A model may call what it was never shown: a function by that name."""
        return self.callees.get(flat) or Callee("function", flat)

    def add(self, tool: Tool, callee: Callee, at: str) -> None:
        """Raises InvalidRequest for a name that can't be, or is taken."""
        if not _NAME.fullmatch(tool.name):
            raise InvalidRequest(
                f"Invalid value for '{at}.name': {tool.name[:80]!r}; expected to match {_NAME.pattern}.",
                param=f"{at}.name",
            )
        if tool.name in self.callees:
            raise InvalidRequest(
                f"Invalid value for '{at}.name': {tool.name!r}; tool names must be unique.", param=f"{at}.name"
            )
        if len(self.tools) >= MAX_TOOLS:
            raise InvalidRequest(f"Invalid value for 'tools': expected at most {MAX_TOOLS}.", param="tools")
        self.tools.append(tool)
        self.schemas.append(f"{at}.parameters" if callee.kind == "function" else at)
        self.callees[tool.name] = callee


def flat_name(namespace: str | None, name: str) -> str:
    """The name under which the model sees a tool; Codex's namespaces bring their own separator, `mcp__files__`."""
    if not namespace:
        return name
    return namespace + name if namespace.endswith("__") else f"{namespace}__{name}"


def to_toolbox(tools: Sequence[Item], at: str = "tools") -> Toolbox:
    """Raises InvalidRequest naming the tool."""
    box = Toolbox()
    for index, tool in enumerate(tools):
        _read(box, tool, f"{at}[{index}]", None)
    return box


def add_discovered(box: Toolbox, items: Iterable[tuple[str, Item]]) -> None:
    """Tools that came in items; those which the request lists again are known already."""
    for at, item in items:
        for index, tool in enumerate(item["tools"]):
            found = Toolbox()
            _read(found, tool, f"{at}.tools[{index}]", None)
            for one in found.tools:
                if one.name not in box.callees:
                    box.add(one, found.callees[one.name], at)


def _read(box: Toolbox, tool: Item, at: str, namespace: str | None) -> None:
    kind = tool.get("type")
    if not isinstance(kind, str):
        missing = "type" not in tool
        what = "Missing required parameter" if missing else "Invalid type for"
        raise InvalidRequest(
            f"{what}: '{at}.type'." if missing else f"{what} '{at}.type': expected a string.", param=f"{at}.type"
        )
    if kind == "function":
        box.add(*_function(validate(FunctionTool, tool, at), namespace, at), at)
    elif kind == "custom":
        box.add(*_custom(validate(CustomTool, tool, at), namespace), at)
    elif kind == "namespace" and namespace is None:
        space = validate(NamespaceTool, tool, at)
        for index, inner in enumerate(space.tools):
            _read(box, inner, f"{at}.tools[{index}]", space.name)
    elif kind == "mcp":
        box.mcp.append((at, tool))
    else:
        box.left_out.append(kind[:64])


def _function(tool: FunctionTool, namespace: str | None, at: str) -> tuple[Tool, Callee]:
    strict = bool(tool.strict)
    schema = check_schema(tool.parameters or _NO_PARAMETERS, f"{at}.parameters", binding=strict)
    shown = Tool(flat_name(namespace, tool.name), tool.description, schema, strict)
    return shown, Callee("function", tool.name, namespace)


def _custom(tool: CustomTool, namespace: str | None) -> tuple[Tool, Callee]:
    value = {"type": "string"}
    if tool.format is not None and tool.format.definition:
        value["description"] = f"Matches this {tool.format.syntax or ''} grammar:\n{tool.format.definition}"
    schema = {"type": "object", "properties": {"input": value}, "required": ["input"], "additionalProperties": False}
    shown = Tool(flat_name(namespace, tool.name), tool.description, json.dumps(schema, ensure_ascii=False))
    return shown, Callee("custom", tool.name, namespace)


def add_approved(box: Toolbox, tools: Iterable[ServerTool], at: str) -> None:
    """Shows tools of servers whose calls end the answer, so that the user may approve them."""
    for name, tool in offered(tools, box.callees).items():
        box.add(Tool(name, tool.description, tool.input_schema), Callee("approval", tool.name, tool.server), at)


def discovered(items: Sequence[Item], at: str = "input") -> Iterator[tuple[str, Item]]:
    """The items that bring tools along: Codex's `additional_tools`, and what its tool search found."""
    for index, item in enumerate(items):
        if item.get("type") in ("additional_tools", "tool_search_output") and isinstance(item.get("tools"), list):
            yield f"{at}[{index}]", {"tools": [tool for tool in item["tools"] if isinstance(tool, dict)]}
