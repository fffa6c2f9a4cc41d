"""Keywords of one JSON Schema: values that are none of theirs, and spellings that say the same in a form that binds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shared.errors import InvalidRequest
from workers.generation.grammar.closing import find

Schema = dict[str, Any]

_COUNTS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _are_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_schema, value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


# What the value of a keyword has to be, the same in words, and the keywords of this kind.
_KINDS: tuple[tuple[Callable[[Any], bool], str, tuple[str, ...]], ...] = (
    (lambda value: isinstance(value, int) and value is not True and value is not False, "a whole number", _COUNTS),
    (_is_number, "a number", ("minimum", "maximum", "multipleOf")),
    (lambda value: isinstance(value, int | float), "a number", ("exclusiveMinimum", "exclusiveMaximum")),
    (lambda value: isinstance(value, str), "a string", ("pattern", "format", "$ref")),
    (lambda value: isinstance(value, str) or _are_texts(value), "the name of a type or a list of some", ("type",)),
    (_are_texts, "a list of names", ("required",)),
    (lambda value: isinstance(value, list), "a list", ("enum",)),
    (_are_schemas, "a list of schemas", ("anyOf", "oneOf", "allOf", "prefixItems")),
    (lambda value: _is_schema(value) or _are_schemas(value), "a schema", ("items",)),
    (
        _is_schema,
        "a schema",
        ("additionalProperties", "propertyNames", "not", "if", "then", "else", "contains", "additionalItems"),
    ),
    (
        lambda value: isinstance(value, dict) and all(map(_is_schema, value.values())),
        "an object of schemas",
        ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"),
    ),
)
_KIND_OF = {key: (fits, words) for fits, words, keys in _KINDS for key in keys}


def checked(schema: Schema, param: str) -> Schema:
    """The schema without keywords that are null, which serialisers leave behind, and with counts as whole numbers.

    Raises InvalidRequest naming a keyword whose value is of another kind than its own.
    """
    out: Schema = {}
    for key, value in schema.items():
        if key in _KIND_OF and value is None:
            continue
        out[key] = int(value) if key in _COUNTS and isinstance(value, float) and value.is_integer() else value
        if key in _KIND_OF and not _KIND_OF[key][0](out[key]):
            words = f"{key!r} in the schema must be {_KIND_OF[key][1]}, not {json.dumps(value)[:60]}"
            raise InvalidRequest(words, param=param)
    return out


def named_by_list(root: Schema, schema: Schema) -> None:
    """`propertyNames` that lists the names, as for a map whose keys are an enumeration: the names become properties."""
    names = _resolved(root, schema.get("propertyNames"))
    values = _values(names)
    if values is None or {"properties", "patternProperties"} & schema.keys():
        return
    rest = schema.get("additionalProperties", {})
    schema["properties"] = {name: rest for name in values if isinstance(name, str)}
    schema["additionalProperties"] = False
    del schema["propertyNames"]


def apart_by_constant(root: Schema, schema: Schema) -> None:
    """`oneOf` whose options each require another constant of one property is `anyOf`: no two can hold at once."""
    options = schema.get("oneOf")
    if not isinstance(options, list) or len(options) < 2 or "anyOf" in schema:
        return
    found = [_resolved(root, option) for option in options]
    tags = [_tags(root, option) for option in found]
    if any(_apart([one.get(name) for one in tags]) for name in tags[0]):
        schema["anyOf"] = schema.pop("oneOf")


def _apart(values: list[list[Any] | None]) -> bool:
    spelled = [json.dumps(value, sort_keys=True) for one in values if one is not None for value in one]
    return None not in values and len(set(spelled)) == len(spelled)


def _tags(root: Schema, option: Any) -> dict[str, list[Any]]:
    """The values that an option lists for each property which it requires."""
    if not isinstance(option, dict):
        return {}
    named, required = option.get("properties"), option.get("required")
    if not isinstance(named, dict) or not isinstance(required, list) or option.get("type") != "object":
        return {}
    listed = {name: _values(_resolved(root, one)) for name, one in named.items() if name in required}
    return {name: values for name, values in listed.items() if values}


def _values(schema: Any) -> list[Any] | None:
    """What a schema lists; numbers are left to the compiler, for which 1 and 1.0 are the same."""
    if not isinstance(schema, dict):
        return None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    known = isinstance(values, list) and all(isinstance(value, str | bool) for value in values)
    return list(dict.fromkeys(values)) if known and isinstance(values, list) else None


def _resolved(root: Schema, schema: Any) -> Any:
    """What a schema that is a reference alone points at."""
    for _ in range(8):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = find(root, schema["$ref"])
    return None
