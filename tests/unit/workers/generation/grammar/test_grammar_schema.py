from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import InvalidRequest
from workers.generation.grammar.limits import MAX_DEPTH, depth_of
from workers.generation.grammar.schema import normalise


def normal(schema: Any) -> dict[str, Any]:
    return normalise(json.dumps(schema), "schema")


def test_annotations_go_and_properties_of_their_names_stay() -> None:
    schema = {
        "title": "T",
        "description": "d",
        "default": 1,
        "discriminator": {"propertyName": "title"},
        "properties": {"title": {"type": "string", "title": "t"}, "default": {"const": {"title": 1}}},
    }
    assert normal(schema) == {"properties": {"title": {"type": "string"}, "default": {"const": {"title": 1}}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, {}),
        ({"type": "integer", "format": "int32"}, {"type": "integer"}),
        ({"type": "string", "format": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"type": "string", "format": "iri"}, {"type": "string", "format": "iri"}),  # the compiler refuses it
        ({"minimum": 3, "exclusiveMinimum": True}, {"exclusiveMinimum": 3}),
        ({"maximum": 3, "exclusiveMaximum": False}, {"maximum": 3}),
        ({"propertyNames": {"type": "string"}}, {}),
        (
            {"propertyNames": {"pattern": "^a"}, "additionalProperties": {"type": "null"}},
            {"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False},
        ),
        ({"oneOf": [{"const": 1, "title": "one"}, {"const": "b"}]}, {"enum": [1, "b"]}),
        ({"oneOf": [{"const": 1}, {"const": 1}]}, {"oneOf": [{"const": 1}, {"const": 1}]}),
        ({"items": {"title": "x"}, "uniqueItems": False}, {"items": {}}),
        ({"items": [{"title": "x"}, True]}, {"items": [{}, True]}),
        ({"$schema": "urn:own", "not": {"title": "x"}}, {"not": {}}),
        ({"anyOf": [{"title": "x"}], "$defs": {"a": {"title": "x"}}}, {"anyOf": [{}], "$defs": {"a": {}}}),
    ],
)
def test_spellings(schema: Any, expected: dict[str, Any]) -> None:
    assert normal(schema) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "must be an object"),
        ("false", "must be an object"),
        ("{", "not JSON"),
        ('{"items":' * 5000 + "{}" + "}" * 5000, "nested"),
        ('{"items":' * MAX_DEPTH + "{}" + "}" * MAX_DEPTH, "levels"),
        (json.dumps({"description": "x" * 300_000}), "characters"),
        (json.dumps({"const": "x" * 5000}), "const"),
        (json.dumps({"enum": ["a", "x" * 5000]}), "enum"),
        (json.dumps({"multipleOf": 99_999_999}), "multipleOf"),
        (json.dumps({"multipleOf": 0.99999999}), "multipleOf"),
        (json.dumps({"properties": {"a": {"multipleOf": 1e300}}}), "multipleOf"),
        (
            json.dumps({"$defs": {f"d{i}": {"items": {"items": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(2000)}}),
            "definitions",
        ),
    ],
)
def test_what_is_refused_before_the_compiler_sees_it(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as found:
        normalise(text, "response_format.json_schema.schema")
    assert found.value.param == "response_format.json_schema.schema"


def test_depth_is_counted_without_recursion() -> None:
    value: Any = 1
    for _ in range(50_000):
        value = [value]
    assert depth_of(value) == 50_000
    assert depth_of({"a": [1], "b": {"c": {}}}) == 3
