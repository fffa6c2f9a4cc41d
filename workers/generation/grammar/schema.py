"""JSON Schemas as llguidance takes them: annotations away, equal spellings unified, bounds checked.

What the compiler doesn't implement and what would change the meaning stays in, so that it is refused by its name.
"""

from __future__ import annotations

import json
from typing import Any

from shared.errors import InvalidRequest
from workers.generation.grammar.keywords import apart_by_constant, checked, named_by_list
from workers.generation.grammar.limits import (
    MAX_DEPTH,
    MAX_LEVELS,
    MAX_LITERAL,
    MAX_MULTIPLE,
    MAX_OPTIONAL,
    MAX_PROPERTIES,
    check_text,
    depth_of,
)

# Formats that JSON Schema defines: those the compiler lacks are refused. Any other name is an annotation.
_FORMATS = {
    *("date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
    *("uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template", "regex"),
    *("json-pointer", "relative-json-pointer"),
}
_ANNOTATIONS = {
    *("title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment"),
    *("contentEncoding", "contentMediaType", "contentSchema", "discriminator", "nullable", "externalDocs", "xml"),
    "x-guidance",
}
_ONE = ("not", "if", "then", "else", "contains", "additionalProperties", "propertyNames", "additionalItems")
_LIST = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")

SPACING = {"whitespace_flexible": False, "whitespace_pattern": r"\x20|\x0A(?:\x20{0,24}|\x09{0,8})"}
"""White space as compact, one-line and indented JSON have it, and never without end."""


def normalise(text: str, param: str) -> dict[str, Any]:
    """The schema as an object that llguidance compiles. Raises InvalidRequest naming the keyword."""
    check_text(text, param)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the schema is not JSON, or nested too deeply", param=param) from error
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise InvalidRequest("the schema must be an object", param=param)
    if depth_of(schema) > MAX_DEPTH:
        raise InvalidRequest(f"the schema is nested more than {MAX_DEPTH} levels deep", param=param)
    _check_levels(schema, param)
    found: dict[str, Any] = _Normaliser(schema, param).schema(schema)
    return found


def _check_levels(schema: dict[str, Any], param: str) -> None:
    levels = sum(depth_of(one) for name in ("$defs", "definitions") for one in _values(schema.get(name)))
    if levels > MAX_LEVELS:
        raise InvalidRequest(f"the definitions have more than {MAX_LEVELS} levels together", param=param)


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


class _Normaliser:
    """Recursion is bounded: the depth was checked."""

    def __init__(self, root: dict[str, Any], param: str) -> None:
        self._root = root
        self._param = param

    def schema(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        schema = checked(schema, self._param)
        self._properties(schema)
        out = {key: self._value(key, value) for key, value in schema.items() if key not in _ANNOTATIONS}
        if str(out.get("format", "")) not in _FORMATS:
            out.pop("format", None)
        if out.get("uniqueItems") is False:
            del out["uniqueItems"]
        if "json-schema.org" not in str(out.get("$schema", "")):
            out.pop("$schema", None)  # a dialect of its own, which nobody may fetch
        _exclusive_bounds(out)
        named_by_list(self._root, out)
        _property_names(out)
        apart_by_constant(self._root, out)
        if all(isinstance(one, dict) and one.keys() == {"const"} for one in out.get("oneOf", [{}])):
            _constants(out)
        return out

    def _value(self, key: str, value: Any) -> Any:
        if key in _NAMED and isinstance(value, dict):
            return {name: self.schema(one) for name, one in value.items()}
        if key in _LIST and isinstance(value, list):
            return [self.schema(one) for one in value]
        if key == "items":
            return [self.schema(one) for one in value] if isinstance(value, list) else self.schema(value)
        if key in _ONE:
            return self.schema(value)
        if key in ("const", "enum"):
            self._literals(key, value)
        if key == "multipleOf":
            self._multiple(value)
        return value

    def _literals(self, key: str, value: Any) -> None:
        for one in value if key == "enum" and isinstance(value, list) else [value]:
            if len(one if isinstance(one, str) else json.dumps(one)) > MAX_LITERAL:
                raise InvalidRequest(f"{key} has a value of more than {MAX_LITERAL} characters", param=self._param)

    def _properties(self, schema: dict[str, Any]) -> None:
        names, required = schema.get("properties"), schema.get("required")
        if not isinstance(names, dict):
            return
        optional = len(names.keys() - set(filter(_is_text, required if isinstance(required, list) else [])))
        if len(names) > MAX_PROPERTIES or optional > MAX_OPTIONAL:
            most = f"more than {MAX_PROPERTIES}, or {MAX_OPTIONAL} that are not required"
            raise InvalidRequest(f"an object has too many properties: {most}", param=self._param)

    def _multiple(self, value: Any) -> None:
        digits = repr(value).replace("-", "").lower().partition("e")[0].replace(".", "").strip("0")
        large = isinstance(value, int | float) and abs(value) > MAX_MULTIPLE
        if large or int(digits if digits.isdigit() else 0) > MAX_MULTIPLE:
            raise InvalidRequest(f"multipleOf {value!r} has too many digits", param=self._param)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _exclusive_bounds(schema: dict[str, Any]) -> None:
    """Draft 4 wrote these as flags."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(flag), bool) and schema.pop(flag) and bound in schema:
            schema[flag] = schema.pop(bound)


def _property_names(schema: dict[str, Any]) -> None:
    """`propertyNames` that admit any name, as zod writes for records, or names by a pattern."""
    names = schema.get("propertyNames")
    if names in (True, {}, {"type": "string"}):
        del schema["propertyNames"]
        return
    beside = {"properties", "patternProperties"} & schema.keys()
    if isinstance(names, dict) and names.keys() <= {"type", "pattern"} and "pattern" in names and not beside:
        schema["patternProperties"] = {names["pattern"]: schema.get("additionalProperties", {})}
        schema["additionalProperties"] = False
        del schema["propertyNames"]


def _constants(schema: dict[str, Any]) -> None:
    """`oneOf` of different constants is `enum`."""
    values = [one["const"] for one in schema.get("oneOf", [])]
    if values and "enum" not in schema and len({json.dumps(value, sort_keys=True) for value in values}) == len(values):
        del schema["oneOf"]
        schema["enum"] = values
