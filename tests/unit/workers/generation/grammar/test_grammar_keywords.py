"""Schemas as serialisers and hands leave them: nulls, counts as floats, keywords with values of another kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.messages import Grammar
from tests.fakes.llm_tokenizer import compiler, ids
from workers.generation.grammar.answer import text_rules
from workers.generation.grammar.readings import readings
from workers.generation.grammar.schema import normalise

INTEGER = {"type": "integer"}


def normal(schema: Any) -> dict[str, Any]:
    return normalise(json.dumps(schema), "schema")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "object", "required": None, "properties": {"a": INTEGER}},
            {"type": "object", "properties": {"a": INTEGER}},
        ),
        ({"exclusiveMinimum": None, "enum": None, "items": None, "$ref": None}, {}),
        ({"const": None}, {"const": None}),
        ({"enum": [None]}, {"enum": [None]}),
        ({"minLength": 1.0, "maxLength": 3.0}, {"minLength": 1, "maxLength": 3}),
        ({"minimum": 1.0}, {"minimum": 1.0}),
        ({"properties": {"required": {"type": "string"}}}, {"properties": {"required": {"type": "string"}}}),
    ],
)
def test_nulls_and_whole_numbers(schema: Any, expected: dict[str, Any]) -> None:
    found = normal(schema)
    assert found == expected
    assert json.dumps(found) == json.dumps(expected)  # 1 and 1.0 are equal


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"required": [{}]}, "'required' in the schema must be a list of names, not [{}]"),
        ({"required": "a"}, "'required' in the schema must be a list of names"),
        ({"properties": {"allOf": [{}]}}, "'properties' in the schema must be an object of schemas"),
        ({"anyOf": [INTEGER, 7]}, "'anyOf' in the schema must be a list of schemas"),
        ({"items": {"maxLength": 1.5}}, "'maxLength' in the schema must be a whole number, not 1.5"),
        ({"minItems": True}, "'minItems' in the schema must be a whole number, not true"),
        ({"minimum": "1"}, "'minimum' in the schema must be a number"),
        ({"pattern": 1}, "'pattern' in the schema must be a string"),
        ({"type": [1]}, "'type' in the schema must be the name of a type or a list of some"),
        ({"enum": "ab"}, "'enum' in the schema must be a list"),
        ({"additionalProperties": "no"}, "'additionalProperties' in the schema must be a schema"),
    ],
)
def test_what_is_none_of_a_keyword_is_named(schema: Any, says: str) -> None:
    for strict in (True, False):
        with pytest.raises(InvalidRequest) as caught:
            list(readings(json.dumps(schema), "tools[0]", strict=strict))
        assert caught.value.message.startswith(says)
        assert caught.value.param == "tools[0]"


ENUM = {"enum": ["a", "b"], "type": "string"}


@pytest.mark.parametrize("names", [{"$ref": "#/$defs/E"}, ENUM, {"enum": ["a", "b"]}])
def test_a_map_whose_keys_are_listed(names: dict[str, Any]) -> None:
    schema = {"type": "object", "propertyNames": names, "additionalProperties": INTEGER, "$defs": {"E": ENUM}}
    assert admits(schema, '{"a": 1}')
    assert admits(schema, '{"a": 1, "b": 2}')
    assert not admits(schema, '{"c": 1}')
    assert not admits(schema, '{"a": true}')


def option(name: str, tag: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"kind": tag, name: INTEGER}, "required": ["kind", name], **more}


CAT, DOG = option("lives", {"const": "cat"}), option("age", {"const": "dog", "type": "string"})
BIRD = option("wings", {"enum": ["bird", "hen"]})


@pytest.mark.parametrize("options", [[CAT, DOG], [CAT, DOG, BIRD], [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}]])
def test_options_that_a_constant_keeps_apart(options: list[Any]) -> None:
    """As pydantic writes a union with a discriminator; strict, too."""
    found = normal({"oneOf": options, "$defs": {"cat": CAT, "dog": DOG}})
    assert "oneOf" not in found
    schema = {"type": "object", "properties": {"pet": {"oneOf": options}}, "required": ["pet"]}
    schema["$defs"] = {"cat": CAT, "dog": DOG}
    assert admits(schema, '{"pet": {"kind": "dog", "age": 3}}')
    assert not admits(schema, '{"pet": {"kind": "dog", "lives": 3}}')


@pytest.mark.parametrize(
    "options",
    [
        [CAT, CAT],
        [CAT, {**DOG, "required": ["age"]}],  # without a kind both may hold
        [CAT, {key: value for key, value in DOG.items() if key != "type"}],  # any number is one
        [CAT, option("age", {"enum": ["dog", "cat"]})],
        [CAT, {"$ref": "#/$defs/none"}],
        [option("a", {"const": 1}), option("b", {"const": 1.0})],
    ],
)
def test_options_that_may_overlap_stay(options: list[Any]) -> None:
    assert "oneOf" in normal({"oneOf": options})


def admits(schema: dict[str, Any], text: str) -> bool:
    """Whether the whole text is an answer under the schema, read as strict."""
    rules = "start: answer\n" + text_rules(Grammar("json_schema", json.dumps(schema), strict=True), "schema")
    (matcher,) = compiler().matchers(rules, 1, "schema")
    tokens = ids(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and bool(matcher.is_accepting())
