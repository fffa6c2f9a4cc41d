from __future__ import annotations

import json

import pytest

from gateway.dialects.schema_limits import (
    MAX_CHOICES,
    MAX_DEPTH,
    MAX_LARK,
    MAX_PATTERN,
    MAX_SCHEMA,
    MAX_TOOL_SCHEMAS,
    MAX_TOOLS,
    check_choices,
    check_lark,
    check_regex,
    check_schema,
    check_tool_names,
    check_tool_schemas,
)
from shared.errors import InvalidRequest

PARAM = "response_format.json_schema.schema"
NODE = {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}}
TREE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "required": ["kids"]}


def refusal(check, *given, **more):
    with pytest.raises(InvalidRequest) as caught:
        check(*given, **more)
    assert (caught.value.code, caught.value.status) == ("invalid_value", 400)
    assert caught.value.param
    assert f"'{caught.value.param}'" in caught.value.message
    assert len(caught.value.message) < 400
    return caught.value


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


# ------------------------------------------------------------------ schemas
@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "object", "properties": {"ü": {"const": 1}}},
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        TREE,
        {"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": {"type": "null"}}},
        {"anyOf": [{"type": "null"}, {"$ref": "#/anyOf/0"}]},
        {"$ref": "#leaf", "$defs": {"a": {"$anchor": "leaf", "type": "null"}}},
        {"$ref": "urn:leaf", "$defs": {"a": {"$id": "urn:leaf", "type": "null"}}},
        {"$ref": "urn:leaf#/items", "$defs": {"a": {"$id": "urn:leaf", "items": {"type": "null"}}}},
        {"properties": {"$ref": {"type": "string"}}},
        {"enum": [{"$ref": "nowhere"}], "default": {"$ref": "nowhere"}},
        {"properties": {"enum": {"type": "string"}}},
        {"type": ["object", "null"], "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        {"$defs": {"a": {"oneOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}, "$ref": "#/$defs/a"},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": {"$ref": "#"}, "minItems": 1},
        nested(MAX_DEPTH - 2),
        {"type": "string", "pattern": "^.{1,9999}$", "maxLength": 10**9},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_what_an_answer_can_be_held_to_passes_as_text(schema):
    assert json.loads(check_schema(schema, PARAM)) == schema


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "#"}, "can never end"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "can never end"),
        ({"properties": {"x": {"$ref": "#/properties/x"}}}, "can never end"),
        ({"$defs": {"a": {"allOf": [{"type": "object"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, "never end"),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, "never end"),
        ({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}, "can never end"),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "can never end"),
        ({"$ref": "#/$defs/a"}, "points nowhere"),
        ({"$ref": "#nowhere"}, "points nowhere"),
        ({"items": {"$ref": "#/items/enum", "enum": [1]}}, "points nowhere"),
        ({"$ref": "https://example.com/schema.json"}, "points nowhere"),
        ({"$ref": "file:///etc/passwd" + "x" * 999}, "points nowhere"),
        (nested(MAX_DEPTH + 1), "nested deeper"),
        ({"default": json.loads("[" * 100 + "]" * 100)}, "nested deeper"),
        ({"enum": ["x" * MAX_SCHEMA]}, "larger than"),
        ({"description": "日" * (MAX_SCHEMA // 3)}, "larger than"),
        ({"pattern": "a" * (MAX_PATTERN + 1)}, "pattern"),
        ({"items": [{"patternProperties": {"((a{999}){999}){999}": True}}]}, "pattern"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_no_answer_can_be_held_to_is_refused(schema, says):
    error = refusal(check_schema, schema, PARAM)
    assert (error.param, says in error.message) == (PARAM, True)


def test_what_a_model_only_reads_may_point_to_the_outside():
    outside = {"properties": {"a": {"$ref": "https://example.com/a"}, "b": {"$ref": "#/$defs/gone"}}}
    assert check_schema(outside, PARAM, binding=False)
    refusal(check_schema, {"$ref": "#"}, PARAM, binding=False)


@pytest.mark.parametrize("target", ["#/$defs/d0", "#x0", "urn:0"])
def test_many_references_are_followed_in_one_pass(target):
    """Looking for each from the start would take minutes."""
    definitions = {f"d{i}": {"$id": f"urn:{i}", "$anchor": f"x{i}", "$ref": f"#/$defs/d{i + 1}"} for i in range(3000)}
    definitions["d3000"] = {"type": "null"}
    assert check_schema({"$ref": target, "$defs": definitions}, PARAM)


def test_schemas_that_are_too_large_together():
    large = {"description": "x" * (MAX_SCHEMA - 100)}
    given = [(large, f"tools.{number}.input_schema", False) for number in range(MAX_TOOL_SCHEMAS // MAX_SCHEMA + 1)]
    assert len(check_tool_schemas(given[:2])) == 2
    assert refusal(check_tool_schemas, given).param == "tools"


def test_a_schema_so_deep_that_it_cannot_be_written():
    schema: dict = {}
    for _ in range(100_000):
        schema = {"not": schema}
    assert "nested deeper" in refusal(check_schema, schema, PARAM).message
    while schema:  # taken apart, as its end would recurse
        schema = schema.pop("not")


# ------------------------------------------------------------------ patterns, grammars, choices
@pytest.mark.parametrize(
    "pattern", ["a", "(ab){3,}", "[{(]{5}", r"\({9}", "x{100000}", "(a{2,300}){300}", "[]a]{2}", "a{x}"]
)
def test_patterns(pattern):
    assert check_regex(pattern, "guided_regex") == pattern


@pytest.mark.parametrize(
    "pattern", ["", "x" * (MAX_PATTERN + 1), "(a{1000}){1000}", "((a{99}b){99,}c){,99}" * 99, "a{100002}"]
)
def test_patterns_that_are_bombs(pattern):
    assert refusal(check_regex, pattern, "guided_regex").param == "guided_regex"


@pytest.mark.parametrize("grammar", ["", " \n", "x" * (MAX_LARK + 1)])
def test_grammars(grammar):
    assert check_lark("start: /a/", "g") == "start: /a/"
    refusal(check_lark, grammar, "g")


@pytest.mark.parametrize(
    "choices", [[], [""], ["a", "a"], [str(n) for n in range(MAX_CHOICES + 1)], ["x" * MAX_SCHEMA]]
)
def test_choices(choices):
    assert json.loads(check_choices(["a", "日"], "c")) == ["a", "日"]
    refusal(check_choices, choices, "c")


# ------------------------------------------------------------------ names
def test_tool_names():
    assert check_tool_names([], []) is None
    assert check_tool_names(["mcp__files__read-file", "repo.search", "A1"], ["a", "b", "c"]) is None
    assert check_tool_names(["x" * 128], ["a"], longest=128) is None


@pytest.mark.parametrize("name", ["", "a b", "ü", "a\n", "x" * 65, "drop;table", "<tool>", "a/b"])
def test_illegal_tool_names(name):
    assert refusal(check_tool_names, ["f", name], ["tools[0].function.name", "tools[1].function.name"]).param == (
        "tools[1].function.name"
    )


def test_a_tool_name_that_is_there_twice():
    error = refusal(check_tool_names, ["f", "g", "f"], ["tools.0.name", "tools.1.name", "tools.2.name"])
    assert (error.param, "Tool names must be unique" in error.message) == ("tools.2.name", True)


@pytest.mark.parametrize("path", ["tools[{}].name", "tools.{}.name"])
def test_too_many_tools(path):
    count = MAX_TOOLS + 1
    error = refusal(check_tool_names, [f"f{n}" for n in range(count)], [path.format(n) for n in range(count)])
    assert error.param == "tools"
