"""A tool's arguments one by one, for the grammars of families that don't write them as one JSON object.

Only a plain list of properties can be guaranteed this way: keywords that bind several arguments together (`anyOf`,
`dependentRequired`, `minProperties`, ...) are refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from shared.errors import CannotBind, InvalidRequest
from shared.messages import Tool
from workers.generation.calls.lark import Lark, as_json, containing, quote
from workers.generation.calls.schemas import Schemas

_BINDING = {
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "enum", "const", "dependentRequired", "dependentSchemas",
    "dependencies", "minProperties", "patternProperties", "propertyNames", "unevaluatedProperties",
}  # fmt: skip
_UNSPOKEN = {"allOf", "anyOf", "oneOf", "not", "if", "$ref"}  # of a string, that plain text can't be held to


_WORD = re.compile(r"[\w.$:/-]+")


@dataclass(frozen=True)
class Argument:
    """`rule` names its rules. `valid` false: any value will do."""

    rule: str
    name: str
    schemas: Schemas
    required: bool
    valid: bool

    @property
    def schema(self) -> Any:
        return self.schemas.properties.get(self.name, {})

    @property
    def types(self) -> frozenset[str]:
        return self.schemas.types(self.name)

    @property
    def word(self) -> str:
        """The name where nothing quotes it. Errors: InvalidRequest for one that could not be read back."""
        if not _WORD.fullmatch(self.name):
            message = f"{self.name!r} can't be the name of an argument in this model's format of tool calls"
            raise InvalidRequest(message, param="tools")
        return self.name

    @property
    def as_text(self) -> bool:
        """Whether its value is written as text that stands for itself."""
        return bool(self.types) and self.types <= {"string", "null"}

    def json_rule(self, lark: Lark) -> str:
        """The value as JSON."""
        return lark.rule(self.rule, as_json(_document(self.schema, self.schemas.root) if self.valid else {}))

    def text_rule(self, lark: Lark, end: str, frame: str = "") -> str:
        """The value as text, and `end`, which it doesn't contain. `frame` stands before `end`."""
        if not self.valid:
            return lark.until(self.rule, end)
        bodies = list(self._texts(lark, end, frame))
        if "null" in self.types:
            bodies.append(f"{quote('null' + frame)} {lark.spelled(end)}")
        return lark.one_of(self.rule, bodies)

    def _texts(self, lark: Lark, end: str, frame: str) -> Iterator[str]:
        for at, schema in enumerate(self._options(self.schemas.resolve(self.schema))):
            if refused := sorted(_UNSPOKEN & schema.keys()):
                raise CannotBind(_refusal(self.name, refused[0]), param="tools")
            values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else None
            if values is not None:
                texts = [value for value in values if isinstance(value, str)]
                yield from (f"{quote(text + frame)} {lark.spelled(end)}" for text in texts)
            elif content := _content(schema):
                yield self._bounded(lark, f"{self.rule}_{at}", content, end, frame)
            else:
                yield lark.until(f"{self.rule}_{at}", end)

    def _options(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas of which one must hold, null left out."""
        for choice in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(choice), list):
                if others := sorted(schema.keys() & {"allOf", "not", "if", "pattern", "minLength", "maxLength"}):
                    raise CannotBind(_refusal(self.name, others[0]), param="tools")
                resolved = [self.schemas.resolve(option) for option in options]
                texts = [option for option in resolved if option.get("type") != "null"]
                if choice == "oneOf" and len(texts) > 1:
                    raise CannotBind(_refusal(self.name, choice), param="tools")
                yield from texts
                return
        yield schema

    def _bounded(self, lark: Lark, rule: str, content: str, end: str, frame: str) -> str:
        terminal = rule.upper()
        lark.rule(terminal, f"{content} & ~{containing(end)}")
        first = lark.spelled(end)
        if first.startswith('"') and " <" not in first:
            return lark.rule(rule, f"{terminal} {quote(frame + end)}", "lazy")
        return lark.rule(rule, f"{terminal} {first}")


def arguments_of(
    lark: Lark, at: int, tool: Tool, written: Callable[[Argument], str], *, separator: str, valid: bool
) -> str:
    """A rule for a tool's arguments in the schema's order, those that aren't required left out or not."""
    arguments = list(_arguments(at, tool, valid))
    later = lark.rule(f"call_later_{at}_{len(arguments)}", '""')
    first = lark.rule(f"call_first_{at}_{len(arguments)}", '""')
    between = f"{quote(separator)} " if separator else ""
    for position in reversed(range(len(arguments))):
        argument = arguments[position]
        one = lark.rule(f"call_{at}_{position}", written(argument))
        skipped = ("", "") if argument.required else (f" | {later}", f" | {first}")
        first = lark.rule(f"call_first_{at}_{position}", f"{one} {later}{skipped[1]}")
        later = lark.rule(f"call_later_{at}_{position}", f"{between}{one} {later}{skipped[0]}")
    return first


def _arguments(at: int, tool: Tool, valid: bool) -> Iterator[Argument]:
    schemas = Schemas(tool)
    root = schemas.resolve(schemas.root)
    if valid and (binding := sorted(_BINDING & root.keys())):
        raise CannotBind(_refusal(tool.name, binding[0]), param="tools")
    required = [name for name in root.get("required") or () if isinstance(name, str)] if valid else []
    for position, name in enumerate(dict.fromkeys((*schemas.properties, *required))):
        yield Argument(f"call_value_{at}_{position}", name, schemas, name in required, valid)


def is_plain(tool: Tool) -> bool:
    """Whether the arguments are a plain list of properties."""
    schemas = Schemas(tool)
    return not _BINDING & schemas.resolve(schemas.root).keys()


def _refusal(name: str, keyword: str) -> str:
    return f"'{keyword}' in the schema of '{name}' can't be guaranteed in this model's format of tool calls"


def _content(schema: dict[str, Any]) -> str:
    """A terminal for the texts that a string's keywords admit; empty when they admit any."""
    parts = []
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if low or high is not None:
        parts.append(f"/(?s:.{{{int(low)},{'' if high is None else int(high)}}})/")
    if isinstance(pattern := schema.get("pattern"), str):
        open_end = not pattern.endswith("$") or pattern.endswith("\\$")
        body = pattern.removeprefix("^") if open_end else pattern.removeprefix("^")[:-1]
        before = "" if pattern.startswith("^") else "(?s:.*)"
        parts.append("/" + _slashed(f"{before}(?:{body}){'(?s:.*)' if open_end else ''}") + "/")
    return " & ".join(parts)


def _slashed(pattern: str) -> str:
    """A regular expression with its slashes escaped, as Lark writes it."""
    return pattern.replace("\\/", "/").replace("/", "\\/").replace("\n", "\\n")


def _document(schema: Any, root: dict[str, Any]) -> Any:
    """One property's schema as a document of its own, in which `$ref`s find the whole."""
    if '"$ref"' not in json.dumps(schema):
        return schema
    return {**_moved(schema), "$defs": {"arguments": _moved(root)}}


def _moved(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    ref = schema.get("$ref")
    moved = {key: _moved(value) for key, value in schema.items()}
    if isinstance(ref, str) and ref.startswith("#"):
        moved["$ref"] = "#/$defs/arguments" + ref[1:]
    return moved
