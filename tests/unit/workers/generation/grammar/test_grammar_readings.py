"""Which keywords of a schema bind an answer while it is written, and which are left to be checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import CannotBind
from shared.messages import Generate, Grammar, Prompt, TextDelta, Tool, ToolCallDelta
from tests.fakes.llm_tokenizer import compiler, ids
from workers.generation.calls.detect import FORMATS, by_name
from workers.generation.grammar.answer import Part, parts_of
from workers.generation.grammar.check import Checks, EndCheck, broken
from workers.generation.grammar.readings import Reading, readings

INTEGER = {"type": "integer"}
TWO = {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}}
PART = {"type": "object", "properties": {"x": INTEGER}, "required": ["x"]}

# A schema, the keywords that don't bind, an answer that it must still admit.
SCHEMAS: list[tuple[dict[str, Any], set[str], Any]] = [
    ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, {"uniqueItems"}, ["a", "b"]),
    ({**TWO, "not": {"required": ["a"]}}, {"not"}, {"b": 1}),
    (
        {**TWO, "if": {"required": ["a"]}, "then": {"properties": {"c": {}}, "required": ["c"]}},
        {"if", "then"},
        {"c": 1},
    ),
    ({"type": "array", "items": INTEGER, "contains": {"const": 1}}, {"contains"}, [1]),
    ({**TWO, "dependentRequired": {"a": ["b", "z"]}}, {"dependentRequired"}, {"a": 1, "b": 2, "z": 3}),
    ({**TWO, "dependencies": {"a": ["b"]}}, {"dependencies"}, {"a": 1, "b": 2}),
    ({**TWO, "dependentSchemas": {"a": {"properties": {"q": INTEGER}}}}, {"dependentSchemas"}, {"a": 1, "q": 2}),
    ({**TWO, "minProperties": 2}, {"minProperties"}, {"a": 1, "b": 1}),
    ({**TWO, "minProperties": 1}, set(), {"b": 1}),
    ({"type": "object", "additionalProperties": INTEGER, "maxProperties": 2}, set(), {"k": 1}),
    ({"type": "object", "propertyNames": {"maxLength": 3}}, {"propertyNames"}, {"abc": 1}),
    ({"oneOf": [TWO, {**PART, "properties": {"x": INTEGER, "a": {"type": "null"}}}]}, {"oneOf"}, {"x": 1, "a": None}),
    ({"oneOf": [{**TWO, "required": ["a"]}, PART]}, {"oneOf"}, {"a": 1, "b": 2}),  # apart only once they are closed
    (
        {
            "oneOf": [
                {**TWO, "properties": {"k": {"const": "a"}}, "required": ["k"]},
                PART | {"properties": {"x": INTEGER, "k": {"const": "b"}}, "required": ["x", "k"]},
            ]
        },
        set(),
        {"k": "a"},
    ),
    ({"oneOf": [INTEGER, {"type": "string"}]}, set(), "s"),
    ({"type": "string", "pattern": "^(?=.*[0-9]).{3,5}$"}, {"pattern"}, "ab1"),
    ({"type": "string", "pattern": r"\bfoo\b"}, {"pattern"}, "foo"),
    (
        {"type": "object", "patternProperties": {"^(?!x)": INTEGER}, "additionalProperties": False},
        {"patternProperties"},
        {"a": 1},
    ),
    ({"type": "string", "format": "iri"}, {"format"}, "http://ü"),
    ({"type": "string", "format": "no-such-format"}, set(), "x"),
    ({"allOf": [PART], "properties": {"y": INTEGER}, "unevaluatedProperties": False}, set(), {"y": 2, "x": 1}),
    (
        {"$ref": "#/$defs/N", "$defs": {"N": {**PART, "properties": {"x": {"items": {"$ref": "#/$defs/N"}}}}}},
        set(),
        {"x": [{"x": []}]},
    ),
]


def chosen(part: Part) -> Reading | str:
    """The reading that is taken, or the refusal."""
    says = ""
    for reading in part.readings:
        try:
            for grammar in part.grammars(reading):
                compiler().matchers(grammar, 0, part.param)
        except CannotBind as error:
            says = error.message
            continue
        return reading
    return says


def answer_part(schema: Any, strict: bool = False) -> Part:
    grammar = Grammar("json_schema", json.dumps(schema), strict)
    (part,) = parts_of(Generate("r", Prompt(text="x"), grammar=grammar), None, compiler().spell)
    return part


def admits(schema: Any, value: Any, strict: bool = False) -> bool:
    part = answer_part(schema, strict)
    found = chosen(part)
    assert isinstance(found, Reading), found
    (matcher,) = compiler().matchers(part.grammar(found), 1, None)
    tokens = ids(value if isinstance(value, str) and value.startswith("{") else json.dumps(value, ensure_ascii=False))
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


@pytest.mark.parametrize(("schema", "unbound", "value"), SCHEMAS)
def test_a_schema_binds_as_far_as_it_can(schema: dict[str, Any], unbound: set[str], value: Any) -> None:
    found = chosen(answer_part(schema))
    assert isinstance(found, Reading), found
    assert found.unbound == unbound
    assert admits(schema, value)
    assert not broken(json.dumps(schema), json.dumps(value), found.unbound)


@pytest.mark.parametrize(("schema", "unbound", "value"), SCHEMAS)
def test_a_strict_schema_binds_or_is_refused_by_name(schema: dict[str, Any], unbound: set[str], value: Any) -> None:
    found = chosen(answer_part(schema, strict=True))
    if not unbound:
        assert found == chosen(answer_part(schema))
        return
    assert isinstance(found, str)
    assert "look" in found or any(f"'{name}'" in found for name in unbound)
    assert "option to" not in found


@pytest.mark.parametrize("schema", [{"type": "string", "enum": [1]}, {"allOf": [INTEGER, {"type": "string"}]}])
def test_what_nothing_matches_is_refused(schema: dict[str, Any]) -> None:
    assert "nsatisfiable" in str(chosen(answer_part(schema)))


def test_no_more_different_items_than_there_are() -> None:
    schema = {
        "type": "array",
        "items": {"$ref": "#/$defs/K"},
        "uniqueItems": True,
        "$defs": {"K": {"enum": ["a", "b"]}},
    }
    assert admits(schema, ["a", "a"])  # checked at the end
    assert not admits(schema, ["a", "b", "a"])


# ------------------------------------------------------------------ closed objects
@pytest.mark.parametrize(
    ("schema", "closed", "opened"),
    [
        (TWO, {"z": 1}, {"a": 1}),
        ({"anyOf": [TWO, {"type": "null"}]}, {"z": 1}, None),
        ({"type": "array", "items": TWO}, [{"z": 1}], [{"a": 1}]),
        ({"properties": {"n": {"$ref": "#/$defs/D"}}, "$defs": {"D": TWO}}, {"n": {"z": 1}}, {"n": {"b": 1}}),
        ({"allOf": [{"$ref": "#/$defs/D"}, PART], "$defs": {"D": TWO}}, {"x": 1, "z": 1}, {"a": 1, "x": 1}),
        (
            {
                "properties": {"p": {"allOf": [{"$ref": "#/$defs/D"}, PART]}, "q": {"$ref": "#/$defs/D"}},
                "$defs": {"D": TWO},
            },
            {"q": {"z": 1}},
            {"p": {"a": 1, "x": 1}, "q": {"b": 1}},
        ),
        ({**TWO, "anyOf": [{"required": ["a"]}, {"properties": {"c": INTEGER}}]}, {"z": 1}, {"a": 1, "c": 1}),
        ({"type": "object", "properties": {}}, {"z": 1}, {}),
        ({"type": "object", "properties": {"a": INTEGER}, "required": ["a", "b"]}, {"a": 1, "z": 1}, {"a": 1, "b": 1}),
    ],
)
def test_objects_are_closed_that_do_not_say_otherwise(schema: Any, closed: Any, opened: Any) -> None:
    for strict in (False, True):
        assert not admits(schema, closed, strict)
        assert admits(schema, opened, strict)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**TWO, "additionalProperties": True},
        {**TWO, "additionalProperties": INTEGER},
        {"type": "object", "properties": {"a": INTEGER}, "patternProperties": {"^z": INTEGER}},
        {"allOf": [TWO, {"additionalProperties": True}]},
    ],
)
def test_free_maps_stay_free(schema: Any) -> None:
    assert admits(schema, {"z": 1})


def test_white_space_ends() -> None:
    assert admits(TWO, '{\n  "a": 1\n}')
    assert not admits(TWO, '{\n\n\n"a": 1}')
    assert not admits(TWO, '{     "a": 1}')


# ------------------------------------------------------------------ calls whose arguments are written one by one
@pytest.mark.parametrize("keyword", ["anyOf", "minProperties", "uniqueItems"])
@pytest.mark.parametrize("name", [fmt.name for fmt in FORMATS])
def test_every_family_calls_a_tool_that_is_not_strict(name: str, keyword: str) -> None:

    value: Any = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "minProperties": 2}.get(keyword)
    schema: dict[str, Any] = {**TWO, keyword: value}
    if keyword == "uniqueItems":
        schema = {"type": "object", "properties": {"a": {"type": "array", "items": INTEGER, "uniqueItems": True}}}
    tool = Tool("f", parameters=json.dumps(schema))
    work = Generate("r", Prompt(text="x", tools=(tool,)), tool_choice="required")
    (part,) = parts_of(work, by_name(name), compiler().spell)
    found = chosen(part)
    assert isinstance(found, Reading), found
    assert found.unbound <= {keyword}


# ------------------------------------------------------------------ the end
def test_what_a_whole_answer_breaks_is_named() -> None:
    schema = json.dumps({"items": INTEGER, "uniqueItems": True})
    assert broken(schema, "[1, 1]", frozenset({"uniqueItems"})) == {"uniqueItems"}
    assert broken(schema, "[1, 1", frozenset({"uniqueItems"})) == set()
    condition = json.dumps({"if": {"required": ["a"]}, "then": {"required": ["b"]}})
    assert broken(condition, '{"a": 1}', frozenset({"if", "then"})) == {"then"}
    assert broken('{"$ref": "http://localhost:1/x"}', "1", frozenset()) == set()


def test_an_answer_of_calls_is_checked_by_its_tools() -> None:

    check = EndCheck(Checks(frozenset({"not"}), '{"const": 1}', {"f": '{"not": {"required": ["a"]}}'}))
    check.read(TextDelta("r", 0, "no json"))
    assert check.unmet() == ()
    check.read(ToolCallDelta("r", 0, 0, "1", "f", '{"a"'))
    check.read(ToolCallDelta("r", 0, 0, arguments=": 1}"))
    check.read(ToolCallDelta("r", 0, 1, "2", "g", '{"a": 1}'))
    assert check.unmet() == ("not",)


def test_a_pattern_of_a_schema_can_not_stall_the_worker() -> None:
    schema = json.dumps({"type": "string", "pattern": "^(?=a)(a+)+$"})
    assert broken(schema, json.dumps("a" * 5000 + "b"), frozenset({"pattern"})) <= {"pattern"}


def test_readings_are_tightest_first() -> None:
    found = list(readings(json.dumps({**TWO, "not": {}}), "p", strict=False, plain=True))
    assert [bool(one.unbound) for one in found] == [False, False, *[True] * 5]
    assert len(list(readings("{}", "p", strict=True))) == 2
