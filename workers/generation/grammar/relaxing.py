"""Schemas that the compiler can't hold an answer to, without the keywords that are in its way.

A keyword goes at the place where it stands, the rest stays bound; the names of those that went are collected.
"""

from __future__ import annotations

import re
from typing import Any

from workers.generation.grammar.closing import find

Schema = dict[str, Any]

# Of draft 4 to 2020-12, those that llguidance 1.9 doesn't implement.
_LACKING = {
    *("not", "if", "then", "else", "contains", "minContains", "maxContains", "uniqueItems"),
    *("dependentRequired", "dependentSchemas", "dependencies", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef"),
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
_NOT_REGULAR = re.compile(r"\(\?(?:<?[=!]|>)|\\[1-9bB]|\\k<")  # look-around, atomic groups, references, edges of words
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_PARTS = ("items", "prefixItems", "additionalItems", "additionalProperties", "anyOf", "oneOf", "allOf")
_TOGETHER = {"allOf", "anyOf", "oneOf", "minProperties", "maxProperties", "patternProperties", "enum", "const"}


class Relaxer:
    """`choices`: `oneOf` becomes `anyOf`. `more`: what the compiler implements in part only goes too.

    `root` is the document; `dropped` are the names of keywords that no longer bind.
    """

    def __init__(self, root: Schema, *, choices: bool = False, more: bool = False) -> None:
        self._root = root
        self.dropped: set[str] = set()
        self._choices = choices
        self._more = more

    def schema(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.schema(one) for one in node]
        if not isinstance(node, dict):
            return node
        out = {key: self._value(key, value) for key, value in node.items() if key not in _LACKING}
        self.dropped |= node.keys() & _LACKING
        self._patterns(out)
        self._counts(out)
        size = self._different(node.get("items")) if node.get("uniqueItems") is True else None
        if size is not None and node.get("minItems", 0) <= size:
            out["maxItems"] = min(size, out.get("maxItems", size))
        if "format" in out and out["format"] not in _FORMATS:
            self._drop(out, "format")
        if self._choices and isinstance(out.get("oneOf"), list):
            self._any_of(out)
        return out

    def plain(self, node: Schema) -> Schema:
        """Without what binds an object's properties together, for formats of calls that write them one by one."""
        out = {key: value for key, value in node.items() if key not in _TOGETHER}
        self.dropped |= node.keys() & _TOGETHER
        named = out.get("properties")
        if isinstance(named, dict):
            out["properties"] = {name: self._plain_text(one) for name, one in named.items()}
        return out

    def _plain_text(self, node: Any) -> Any:
        if not isinstance(node, dict) or node.get("type") != "string":
            return node
        self.dropped |= node.keys() & _TOGETHER - {"enum", "const"}
        return {key: value for key, value in node.items() if key not in _TOGETHER - {"enum", "const"}}

    def _value(self, key: str, value: Any) -> Any:
        if key in _MAPS and isinstance(value, dict):
            return {name: self.schema(one) for name, one in value.items()}
        return self.schema(value) if key in _PARTS else value

    def _different(self, items: Any) -> int | None:
        """How many different items there are, where a list says which: no more can be unique."""
        if isinstance(items, dict) and isinstance(items.get("$ref"), str):
            items = find(self._root, items["$ref"])
        values = items.get("enum") if isinstance(items, dict) else None
        return len(values) if isinstance(values, list) else None

    def _drop(self, node: Schema, key: str) -> None:
        del node[key]
        self.dropped.add(key)

    def _patterns(self, node: Schema) -> None:
        if isinstance(node.get("pattern"), str) and (self._more or _NOT_REGULAR.search(node["pattern"])):
            self._drop(node, "pattern")
        named = node.get("patternProperties")
        if isinstance(named, dict) and (self._more or any(map(_NOT_REGULAR.search, named))):
            self._drop(node, "patternProperties")
            node.pop("additionalProperties", None)  # the names that the patterns admitted

    def _counts(self, node: Schema) -> None:
        """How many properties there are is bound for required ones, and for at least or at most one other."""
        low, high = node.get("minProperties", 0), node.get("maxProperties")
        if not self._more and isinstance(low, int) and (high is None or isinstance(high, int)):
            required = node.get("required", [])
            optional = len(node.get("properties", {}).keys() - set(required))
            least, most = low - len(required), 1 if high is None else high - len(required)
            closed = node.get("additionalProperties") is False and "patternProperties" not in node
            if not optional or (least <= 1 and most == 1 and closed):
                return
        for key in ("minProperties", "maxProperties"):
            if key in node:
                self._drop(node, key)

    def _any_of(self, node: Schema) -> None:
        branches = {"anyOf": node.pop("oneOf")}
        self.dropped.add("oneOf")
        if "anyOf" in node:
            node["allOf"] = [*node.get("allOf", []), branches]
        else:
            node.update(branches)
