"""What a tool's JSON Schema says of its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.messages import Tool

_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


class Schemas:
    """The schemas of one tool's arguments."""

    def __init__(self, tool: Tool | None) -> None:
        try:
            root = json.loads(tool.parameters) if tool else {}
        except ValueError:
            root = {}
        self.root: dict[str, Any] = root if isinstance(root, dict) else {}

    def types(self, key: str) -> frozenset[str]:
        """JSON types that an argument may have; empty when the schema doesn't say."""
        return self.types_of(self.properties.get(key))

    def types_of(self, schema: Any) -> frozenset[str]:
        """The same of any schema in the document."""
        return frozenset(self._types(schema, frozenset()))

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.resolve(self.root).get("properties")
        return found if isinstance(found, dict) else {}

    def resolve(self, schema: Any) -> dict[str, Any]:
        """Follows `$ref`s within the document."""
        for _ in range(20):
            if not isinstance(schema, dict) or not isinstance(ref := schema.get("$ref"), str):
                break
            schema = self._at(ref)
        return schema if isinstance(schema, dict) else {}

    def _at(self, ref: str) -> Any:
        found: Any = self.root
        for step in ref.removeprefix("#").strip("/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) and step else found if not step else None
        return found if ref.startswith("#") else None

    def _types(self, schema: Any, seen: frozenset[str]) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        ref = schema.get("$ref")
        if isinstance(ref, str):
            return set() if ref in seen else self._types(self._at(ref), seen | {ref})
        named = schema.get("type")
        found = {named} if isinstance(named, str) else {t for t in named or () if isinstance(t, str)}
        if not found:
            values = [*_list(schema.get("enum")), *([schema["const"]] if "const" in schema else [])]
            found = {_NAMES.get(type(value), "null") for value in values}
        if not found:
            for choice in ("anyOf", "oneOf", "allOf"):
                for option in _list(schema.get(choice)):
                    found |= self._types(option, seen)
        return found | ({"null"} if found and schema.get("nullable") is True else set())


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
