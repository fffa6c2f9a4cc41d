"""Where the references of a JSON Schema lead: which subschemas there are, what `$ref` names, and which never end.

https://json-schema.org/draft/2020-12/json-schema-core#section-8.2
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any
from urllib.parse import unquote

Schema = dict[str, Any]

_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = (
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
    "propertyNames", "not", "if", "then", "else", "contentSchema",
)  # fmt: skip


class References:
    """One document. `schemas` are the objects in it that are read as schemas, those that only a `$ref` names too."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self.schemas = _walk(root)
        self._ids: dict[str, Schema] = {}
        self._anchors: dict[str, Schema] = {}
        for node in self.schemas:
            if isinstance(node.get("$id"), str):
                self._ids.setdefault(node["$id"].rstrip("#"), node)
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(key), str):
                    self._anchors.setdefault(node[key], node)

    def find(self, target: str) -> Schema | bool | None:
        """What a `$ref` names: a pointer, an anchor or a schema with that `$id`; None when it is not here."""
        base, _, fragment = target.partition("#")
        start = self._ids.get(base) if base else self._root
        if not fragment or start is None:
            return start
        if not fragment.startswith("/"):
            return self._anchors.get(unquote(fragment))
        found = _at_pointer(start, fragment)
        return found if isinstance(found, dict | bool) else None

    def endless(self) -> Schema | None:
        """A schema that no finite value satisfies, because it leads back to itself; one with a `$ref` if there is one.

        A schema ends once each of its needs does, and a need once one of its alternatives does (a least fixed point).
        """
        unmet: dict[int, int] = {}
        meets: dict[int, list[tuple[int, int]]] = defaultdict(list)  # schema -> needs (owner, number) it would meet
        for node in self.schemas:
            needs = self._needs(node)
            unmet[id(node)] = len(needs)
            for number, alternatives in enumerate(needs):
                for one in alternatives:
                    meets[id(one)].append((id(node), number))
        ended = [key for key, count in unmet.items() if not count] + [key for key in meets if key not in unmet]
        met: set[tuple[int, int]] = set()
        while ended:
            for need in meets[ended.pop()]:
                if need not in met:
                    met.add(need)
                    unmet[need[0]] -= 1
                    if not unmet[need[0]]:
                        ended.append(need[0])
        endless = [node for node in self.schemas if unmet[id(node)]]
        return next((node for node in endless if "$ref" in node), endless[0] if endless else None)

    def _needs(self, node: Schema) -> list[list[Schema]]:
        """What has to end for a schema to end, as lists of alternatives."""
        needs: list[list[Any]] = []
        if isinstance(node.get("$ref"), str):
            needs.append([self.find(node["$ref"])])
        if isinstance(node.get("allOf"), list):
            needs += [[one] for one in node["allOf"]]
        needs += [node[key] for key in ("anyOf", "oneOf") if isinstance(node.get(key), list)]
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            required = node["required"] if isinstance(node.get("required"), list) else []
            needs += [[node["properties"].get(name)] for name in required if isinstance(name, str)]
        if node.get("type") == "array" and isinstance(node.get("minItems"), int) and node["minItems"] > 0:
            first = node["prefixItems"][:1] if isinstance(node.get("prefixItems"), list) else []
            needs.append(first or [node.get("items")])
        # What is no schema (true, a reference to the outside) ends at once.
        return [need for need in needs if need and all(isinstance(one, dict) for one in need)]


def _walk(root: Any) -> list[Schema]:
    found: list[Schema] = []
    seen: set[int] = set()
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        found.append(node)
        waiting.extendleft(reversed(_children(node)))
        target = node.get("$ref")
        if isinstance(target, str) and target.startswith("#/"):
            waiting.append(_at_pointer(root, target[1:]))
    return found


def _children(node: Schema) -> list[Any]:
    children: list[Any] = []
    for key in _NAMED:
        if isinstance(node.get(key), dict):
            children.extend(node[key].values())
    for key in _LISTED:
        if isinstance(node.get(key), list):
            children.extend(node[key])
    return children + [node[key] for key in _SINGLE if isinstance(node.get(key), dict)]


def _at_pointer(value: Any, pointer: str) -> Any:
    for raw in pointer.split("/")[1:]:
        step = unquote(raw).replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return None
    return value
