"""Values that a model writes as nested elements, typed by the tool's JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workers.generation.calls.schemas import Schemas
from workers.generation.calls.values import typed


@dataclass(frozen=True, slots=True)
class Element:
    """Its text, and the elements in it by their names."""

    text: str
    inner: tuple[tuple[str, Element], ...] = ()


def as_value(element: Element, schema: Any, schemas: Schemas) -> Any:
    """The JSON value. Where the schema doesn't say, elements called `item` are a list's."""
    types = schemas.types_of(schema)
    if not element.inner:
        if not element.text.strip() and types & {"object", "array"}:
            return {} if "object" in types else []
        return json.loads(typed(element.text, types))
    listed = all(name == "item" for name, _ in element.inner)
    if "object" in types or not (listed or "array" in types):
        return _object(element, schema, schemas)
    items = next((option["items"] for option in _options(schema, schemas) if "items" in option), None)
    return [as_value(inner, items, schemas) for _, inner in element.inner]


def _object(element: Element, schema: Any, schemas: Schemas) -> dict[str, Any]:
    """Elements of one name are a list; text beside them is kept, too."""
    found: dict[str, list[Any]] = {}
    for name, inner in element.inner:
        found.setdefault(name, []).append(as_value(inner, _property(name, schema, schemas), schemas))
    if text := element.text.strip():
        found.setdefault("$text", []).append(text)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _property(name: str, schema: Any, schemas: Schemas) -> Any:
    options = list(_options(schema, schemas))
    named = (option["properties"][name] for option in options if name in (option.get("properties") or {}))
    return next(named, next((option.get("additionalProperties") for option in options), None))


def _options(schema: Any, schemas: Schemas) -> Iterator[dict[str, Any]]:
    """A schema and those that it is composed of."""
    resolved = schemas.resolve(schema)
    yield resolved
    for keyword in ("anyOf", "oneOf", "allOf"):
        for option in resolved.get(keyword) or ():
            yield schemas.resolve(option)
