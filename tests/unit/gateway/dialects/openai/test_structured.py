from __future__ import annotations

import pytest

from gateway.dialects.openai.structured import StructuredFields, grammar_param, to_grammar
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Grammar

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TEXT = '{"type": "object", "properties": {"a": {"type": "integer"}}}'
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}


def read(**given):
    return to_grammar(validate(StructuredFields, given))


@pytest.mark.parametrize(
    ("given", "grammar", "param"),
    [
        ({}, None, None),
        ({"response_format": {"type": "text"}}, None, None),
        ({"response_format": {"type": "json_object"}}, Grammar("json_object"), "response_format"),
        ({"response_format": FORMAT}, Grammar("json_schema", TEXT, strict=True), "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_object", "schema": SCHEMA}},
            Grammar("json_schema", TEXT),
            "response_format.schema",
        ),
        ({"guided_json": SCHEMA}, Grammar("json_schema", TEXT), "guided_json"),
        ({"guided_json": TEXT}, Grammar("json_schema", TEXT), "guided_json"),
        ({"guided_regex": "a+"}, Grammar("regex", "a+"), "guided_regex"),
        ({"guided_choice": ["a", "ü"]}, Grammar("choice", '["a", "ü"]'), "guided_choice"),
        ({"guided_grammar": "start: /a/"}, Grammar("lark", "start: /a/"), "guided_grammar"),
        ({"structured_outputs": {"json": SCHEMA}}, Grammar("json_schema", TEXT), "structured_outputs.json"),
        ({"structured_outputs": {"regex": "a"}}, Grammar("regex", "a"), "structured_outputs.regex"),
        ({"structured_outputs": {"choice": ["a"]}}, Grammar("choice", '["a"]'), "structured_outputs.choice"),
        ({"structured_outputs": {"grammar": "start: A"}}, Grammar("lark", "start: A"), "structured_outputs.grammar"),
        ({"structured_outputs": {"json_object": True}}, Grammar("json_object"), "structured_outputs.json_object"),
        (
            {"structured_outputs": {"regex": "a", "json": None, "x": 1}},
            Grammar("regex", "a"),
            "structured_outputs.regex",
        ),
    ],
)
def test_every_way_to_ask_for_a_format(given, grammar, param):
    assert read(**given) == grammar
    assert grammar_param(validate(StructuredFields, given)) == param


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"response_format": "json_object"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#"}}}},
            "response_format.json_schema.schema",
        ),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "[" * 100_000}, "guided_json"),
        ({"guided_json": "[]"}, "guided_json"),
        ({"guided_json": 5}, "guided_json"),
        ({"guided_json": {"$ref": "#/$defs/x"}}, "guided_json"),
        ({"guided_regex": ""}, "guided_regex"),
        ({"guided_regex": "(a{1000}){1000}"}, "guided_regex"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": ["a", "a"]}, "guided_choice"),
        ({"guided_choice": ["a", 5]}, "guided_choice[1]"),
        ({"guided_grammar": " "}, "guided_grammar"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"json": 5}}, "structured_outputs.json"),
        ({"structured_outputs": {"choice": [""]}}, "structured_outputs.choice"),
        ({"guided_json": SCHEMA, "guided_regex": "a"}, "guided_regex"),
        ({"response_format": FORMAT, "structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.choice"),
    ],
)
def test_formats_that_are_none(given, param):
    with pytest.raises(InvalidRequest) as caught:
        read(**given)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")


@pytest.mark.parametrize(
    "given",
    [
        {"structured_outputs": {"structural_tag": "{}"}},
        {"response_format": {"type": "structural_tag", "structures": []}},
    ],
)
def test_structural_tags_are_not_supported(given):
    with pytest.raises(UnsupportedParameter):
        read(**given)
