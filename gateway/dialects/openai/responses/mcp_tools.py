"""Tools of type mcp: which servers of the node's YAML a request uses, and which of their calls the user approves first.

A request names a server by its label. What is started or asked, with which headers, is the YAML's alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.responses.schema import Item
from gateway.dialects.openai.validate import validate
from gateway.mcp.events import ServerTool
from shared.errors import InvalidRequest, UnsupportedParameter

_NOT_FROM_REQUESTS = ("connector_id", "tunnel_id", "headers", "authorization")


class ToolFilter(Lenient):
    tool_names: list[str] | None = None
    read_only: bool | None = None


class ApprovalFilter(Lenient):
    always: ToolFilter | None = None
    never: ToolFilter | None = None


class McpTool(Lenient):
    server_label: str = Field(min_length=1)
    server_url: str | None = None
    allowed_tools: Any = None
    require_approval: Any = None


@dataclass(frozen=True, slots=True)
class McpUse:
    """`tools`: names that the request allows; None: all. `always` and `never` hold names; None: that says nothing."""

    at: str
    server: str
    url: str | None = None
    tools: frozenset[str] | None = None
    approval: Literal["always", "never"] = "never"
    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def needs_approval(self, tool: str) -> bool:
        return tool in self.always or (self.approval == "always" and tool not in self.never)

    @property
    def may_need_approval(self) -> bool:
        return self.approval == "always" or bool(self.always)

    def narrowed(self, names: Collection[str] | None) -> McpUse:
        """With no other tools than `names`; None: all that it has."""
        if names is None:
            return self
        kept = frozenset(names) if self.tools is None else self.tools & frozenset(names)
        return McpUse(self.at, self.server, self.url, kept, self.approval, self.always, self.never)

    def picked(self, tools: Iterable[ServerTool]) -> list[ServerTool]:
        return [tool for tool in tools if self.tools is None or tool.name in self.tools]


def to_uses(tools: Sequence[tuple[str, Item]]) -> tuple[McpUse, ...]:
    """Each tool with the path that names it. Raises InvalidRequest."""
    found = tuple(_use(validate(McpTool, tool, at), tool, at) for at, tool in tools)
    for index, use in enumerate(found):
        if use.server in [other.server for other in found[:index]]:
            raise _invalid(f"{use.at}.server_label", f"{use.server[:80]!r} is named twice")
    return found


def _use(tool: McpTool, given: Item, at: str) -> McpUse:
    for name in _NOT_FROM_REQUESTS:
        if given.get(name):
            raise UnsupportedParameter(
                f"Unsupported parameter: '{at}.{name}' is not supported (the node's configuration says how a server"
                " is reached).",
                param=f"{at}.{name}",
            )
    approval, always, never = _approval(tool.require_approval, f"{at}.require_approval")
    allowed = _names(tool.allowed_tools, f"{at}.allowed_tools")
    return McpUse(at, tool.server_label, tool.server_url, allowed, approval, always, never)


def _approval(given: Any, at: str) -> tuple[Literal["always", "never"], frozenset[str], frozenset[str]]:
    """A filter's `never` is the exception to always; alone, its `always` is the exception to never."""
    if given in (None, "never"):
        return "never", frozenset(), frozenset()
    if given == "always":
        return "always", frozenset(), frozenset()
    if not isinstance(given, dict):
        raise _invalid(at, "expected 'always', 'never' or an object")
    wanted = validate(ApprovalFilter, given, at)
    always = _filtered(wanted.always, f"{at}.always") or frozenset()
    never = _filtered(wanted.never, f"{at}.never")
    return ("never" if never is None else "always"), always, never or frozenset()


def _names(given: Any, at: str) -> frozenset[str] | None:
    if given is None:
        return None
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return frozenset(given)
    if isinstance(given, dict):
        return _filtered(validate(ToolFilter, given, at), at)
    raise _invalid(at, "expected a list of names or an object")


def _filtered(given: ToolFilter | None, at: str) -> frozenset[str] | None:
    if given is None:
        return None
    if given.read_only is not None:
        raise UnsupportedParameter(
            f"Unsupported parameter: '{at}.read_only' is not supported; name the tools.", param=f"{at}.read_only"
        )
    return None if given.tool_names is None else frozenset(given.tool_names)


def _invalid(param: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}': {what}.", param=param)
