"""`tool_choice`: which tools may be called, and whether one must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.dialects.openai.responses.schema import AllowedChoice, McpChoice, NamedChoice
from gateway.dialects.openai.responses.tools import Toolbox, flat_name
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest, UnsupportedParameter

AT = "tool_choice"
_MODES = ("none", "auto", "required")
_NAMED = ("function", "custom")


@dataclass(frozen=True, slots=True)
class Choice:
    """`names` are flat; empty: all tools. `use_tools` false: the model is shown none.

    `servers`, where it is not None, holds the mcp servers that are among the chosen, each with a tool's name or None
    for all of its tools; `names` are then the only tools besides. `single`: one named tool has to be called, once.
    """

    use_tools: bool = True
    mode: Literal["auto", "required"] = "auto"
    names: tuple[str, ...] = ()
    servers: tuple[tuple[str, str | None], ...] | None = None
    single: bool = False

    def of_server(self, server: str) -> frozenset[str] | None:
        """The names of a server's tools that are chosen; None: all."""
        if self.servers is None:
            return frozenset() if self.names else None
        names = [name for label, name in self.servers if label == server]
        return None if None in names else frozenset(name for name in names if name is not None)


def to_choice(given: str | dict[str, Any] | None, box: Toolbox, servers: Sequence[str] = ()) -> Choice:
    """`servers`: the labels of the request's mcp tools, whose names are not known yet.

    Raises InvalidRequest for a choice that can't be kept.
    """
    if isinstance(given, dict):
        return _chosen(given, box, servers)
    if given not in (None, *_MODES):
        raise _invalid(AT, f"{str(given)[:80]!r}. Supported values are: 'none', 'auto' and 'required'")
    if given == "required" and not (box.tools or servers):
        raise _invalid(AT, "'required' needs 'tools' that can be called here")
    if given == "none":
        return Choice(use_tools=False)
    return Choice(mode="required") if given == "required" else Choice()


def _chosen(given: dict[str, Any], box: Toolbox, servers: Sequence[str]) -> Choice:
    kind = given.get("type")
    if kind == "allowed_tools":
        return _allowed(validate(AllowedChoice, given, AT), box, servers)
    if kind in _NAMED:
        return Choice(mode="required", names=_names(given, AT, box), single=True)
    if kind == "mcp":
        server = _server(given, AT, servers)
        return Choice(mode="required", servers=(server,), single=server[1] is not None)
    if not isinstance(kind, str):
        raise _invalid(f"{AT}.type", "expected a string")
    raise UnsupportedParameter(
        f"Unsupported value for '{AT}': tools of type {kind[:64]!r} can't be called here.", param=AT
    )


def _allowed(given: AllowedChoice, box: Toolbox, servers: Sequence[str]) -> Choice:
    """Hosted tools among the allowed ones were left out already; without any other no tool may be called."""
    names: list[str] = []
    chosen: list[tuple[str, str | None]] = []
    for index, tool in enumerate(given.tools):
        at = f"{AT}.tools[{index}]"
        if tool.get("type") in _NAMED:
            names += _names(tool, at, box)
        elif tool.get("type") == "mcp":
            chosen.append(_server(tool, at, servers))
    if names or chosen:
        return Choice(mode=given.mode, names=tuple(dict.fromkeys(names)), servers=tuple(chosen) or None)
    if given.mode == "required":
        raise _invalid(f"{AT}.tools", "none of them can be called here")
    return Choice(use_tools=False)


def _names(given: dict[str, Any], at: str, box: Toolbox) -> tuple[str, ...]:
    named = validate(NamedChoice, given, at)
    flat = flat_name(named.namespace, named.name)
    if flat in box.callees:
        return (flat,)
    inside = tuple(one for one, callee in box.callees.items() if callee.name == named.name)
    if named.namespace is None and len(inside) == 1:
        return inside
    raise _invalid(f"{at}.name", f"the tool {named.name[:80]!r} is not among 'tools'")


def _server(given: dict[str, Any], at: str, servers: Sequence[str]) -> tuple[str, str | None]:
    named = validate(McpChoice, given, at)
    if named.server_label not in servers:
        raise _invalid(f"{at}.server_label", f"the server {named.server_label[:80]!r} is not among 'tools'")
    return named.server_label, named.name


def _invalid(param: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}': {what}.", param=param)
