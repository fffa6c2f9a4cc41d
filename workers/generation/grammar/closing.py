"""Objects that take no other properties than their schemas name, so that a weak model can't go on inventing some.

JSON Schema leaves an object open that doesn't say `additionalProperties`; whoever reads the answer asked for the named
ones. Where several schemas make an object's (`allOf`, `$ref`, conditions), the whole is closed, not a part.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Schema = dict[str, Any]

_CHOICES = ("anyOf", "oneOf")
_MAPS = ("properties", "patternProperties")
_VALUES = ("items", "prefixItems", "additionalItems", "additionalProperties", "contains")
_OWN = ("properties", "allOf", "$ref", "if", "dependentSchemas", "dependencies", "required")


def close(schema: Schema) -> Schema:
    """The schema with its objects closed; free maps stay as they are. Recursion is bounded by the schema's depth."""
    closed: Schema = _Closer(schema).value(schema)
    return closed


class _Closer:
    """One document. Definitions that are a part of an object's schema are left open, and closed where they are used."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._parts: set[int] = set()
        self._mark(root)

    # ------------------------------------------------------------------ what is a part
    def _mark(self, root: Schema) -> None:
        """Without recursion: references may lead deeper than the document."""
        waiting: list[tuple[Any, bool]] = [(root, False)]
        seen: set[tuple[int, bool]] = set()
        while waiting:
            node, part = waiting.pop()
            if not isinstance(node, dict) or (id(node), part) in seen:
                continue
            seen.add((id(node), part))
            if part:
                self._parts.add(id(node))
            waiting += [(inner, part or _is_composed(node)) for inner in _choices(node)]
            waiting += [(inner, True) for inner in _applied(node)]
            waiting += [(inner, False) for inner in _inside(node)]
            if isinstance(node.get("$ref"), str):
                beside = len(node.keys() & {*_OWN, *_CHOICES}) > 1
                waiting.append((find(self._root, node["$ref"]), part or beside))

    # ------------------------------------------------------------------ closing
    def value(self, node: Any) -> Any:
        """The copy of a schema that stands for a whole value."""
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if not isinstance(node, dict):
            return node
        out: Schema = {}
        for key, inner in node.items():
            if key in (*_MAPS, "$defs", "definitions") and isinstance(inner, dict):
                out[key] = {name: self.value(one) for name, one in inner.items()}
            elif key in (*_VALUES, *_CHOICES, "allOf", "then", "else"):
                out[key] = self.value(inner)
            else:
                out[key] = inner
        if id(node) not in self._parts and (names := self._names(node)) is not None:
            out["properties"] = {**out.get("properties", {}), **{name: {} for name in names if name not in _own(node)}}
            out["additionalProperties"] = False
            if out.get("unevaluatedProperties") is False:
                del out["unevaluatedProperties"]
        return out

    def _names(self, node: Schema) -> list[str] | None:
        """The names that an object may have; None where it is no object, free, closed already or made of others."""
        if "additionalProperties" in node or not (_is_composed(node) or "$ref" in node):
            return None
        if "$ref" in node and not _is_composed(node) and id(find(self._root, node["$ref"])) not in self._parts:
            return None
        parts = self._assembly(node)
        if any(_is_free(part) for part in parts) or not any("properties" in part for part in parts):
            return None
        return list(dict.fromkeys(name for part in parts for name in _named(part)))

    def _assembly(self, node: Schema) -> list[Schema]:
        """All schemas that apply to the same value."""
        found: dict[int, Schema] = {}
        waiting: list[Any] = [node]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict) and id(one) not in found:
                found[id(one)] = one
                target = find(self._root, one["$ref"]) if isinstance(one.get("$ref"), str) else None
                waiting += reversed([target, *_applied(one), *_choices(one)])  # names in the order of the schema
        return list(found.values())


def find(root: Schema, target: str) -> Any:
    """What a `$ref` by pointer names; None where it is not in the document."""
    found: Any = root
    if not target.startswith("#"):
        return None
    for raw in target[1:].split("/")[1:]:
        step = unquote(raw).replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _is_composed(node: Schema) -> bool:
    """Whether the node itself says what an object has, rather than only which of others applies."""
    return any(key in node for key in _OWN if key != "$ref") or (
        "$ref" in node and any(key in node for key in (*_CHOICES, "allOf"))
    )


def _is_free(node: Schema) -> bool:
    stated = (
        node.get("additionalProperties", False) is not False or node.get("unevaluatedProperties", False) is not False
    )
    return stated or bool(node.get("patternProperties")) or "propertyNames" in node


def _choices(node: Schema) -> list[Any]:
    return [one for key in _CHOICES for one in _list(node.get(key))]


def _applied(node: Schema) -> list[Any]:
    """Schemas that hold together with the node's own."""
    found = [*_list(node.get("allOf")), node.get("if"), node.get("then"), node.get("else")]
    return found + [one for key in ("dependentSchemas", "dependencies") for one in _map(node.get(key)).values()]


def _inside(node: Schema) -> list[Any]:
    """Schemas of values within the node's, and definitions."""
    found = [one for key in (*_MAPS, "$defs", "definitions") for one in _map(node.get(key)).values()]
    for key in _VALUES:
        found += node[key] if isinstance(node.get(key), list) else [node.get(key)]
    return found


def _named(node: Schema) -> list[str]:
    names = [*_own(node), *_list(node.get("required"))]
    for key in ("dependentRequired", "dependencies"):
        names += [name for one in _map(node.get(key)).values() for name in _list(one)]
    return [name for name in names if isinstance(name, str)]


def _own(node: Schema) -> Schema:
    return _map(node.get("properties"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _map(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}
