"""Whatever a grammar lets through, the family's reader takes for calls whose arguments fit their schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.errors import InvalidRequest
from shared.messages import Tool
from tests.fakes.call_pieces import calls_of, read, text_of
from tests.fakes.toy_grammar import ToyGrammar
from workers.generation.calls.deepseek import DeepSeek
from workers.generation.calls.detect import FORMATS, by_name
from workers.generation.calls.format import CallFormat
from workers.generation.calls.functionary import Functionary
from workers.generation.calls.mistral import Mistral
from workers.generation.calls.pythonic import Pythonic

SCHEMAS: dict[str, dict[str, Any]] = {
    "note": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "n": {"type": "integer", "minimum": -9, "maximum": 99}},
        "required": ["text"],
        "additionalProperties": False,
    },
    "pick": {
        "type": "object",
        "properties": {
            "unit": {"enum": ["c", "f", "a b"]},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "flag": {"type": "boolean"},
            "either": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "integer"}]},
        },
        "required": ["flag", "either"],
        "additionalProperties": False,
    },
    "tree": {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/Leaf"}, "maxItems": 2},
            "code": {"type": "string", "minLength": 2, "maxLength": 6},
            "id": {"type": "string", "pattern": "^[a-z]{2}[0-9]/[0-9]$"},
        },
        "required": ["items", "code", "id"],
        "additionalProperties": False,
        "$defs": {"Leaf": {"type": "object", "properties": {"x": {"type": "number"}}, "additionalProperties": False}},
    },
    "now": {"type": "object", "properties": {}, "additionalProperties": False},
}
TOOLS = tuple(Tool(name, parameters=json.dumps(schema), strict=True) for name, schema in SCHEMAS.items())
VARIANTS: tuple[CallFormat, ...] = (
    *FORMATS,
    Mistral(headers=True),
    DeepSeek(fenced=False),
    Functionary(tags=True),
    Pythonic("<|tool_call_start|>"),
)
_IDS = [f"{at}_{fmt.name}" for at, fmt in enumerate(VARIANTS)]


def check(found: list[tuple[str, str, bool]]) -> None:
    for name, arguments, whole in found:
        assert whole
        Draft202012Validator(SCHEMAS[name]).validate(json.loads(arguments))


@pytest.mark.parametrize("special", [False, True], ids=["text", "tokens"])
@pytest.mark.parametrize("fmt", VARIANTS, ids=_IDS)
def test_required_calls_always_parse(fmt: CallFormat, special: bool) -> None:
    toy = ToyGrammar([mark for mark in fmt.markers if mark[0] in "<[｜"] if special else [])
    lark = fmt.grammar(TOOLS, toy.spell, required=True, parallel=True)
    walks = [toy.walk(lark, seed, 600) for seed in range(6)]
    ended = [walk for walk in walks if walk is not None]
    assert ended, "no walk ended"
    for walk in ended:
        pieces = read(fmt, TOOLS, [walk])
        assert text_of(pieces) == ""
        assert calls_of(pieces)
        check(calls_of(pieces))


@pytest.mark.parametrize("fmt", VARIANTS, ids=_IDS)
def test_optional_calls(fmt: CallFormat) -> None:
    toy = ToyGrammar()
    lark = fmt.grammar(TOOLS, toy.spell, required=False, parallel=True)
    head = {"functionary": "all\n", "harmony": "<|channel|>final<|message|>"}.get(fmt.name, "")
    if isinstance(fmt, Functionary) and fmt.tags:
        head = ""
    assert toy.admits(lark, head + "Just text, über alles.\nNo call.")
    required = fmt.grammar(TOOLS[3:], toy.spell, required=True, parallel=False)
    call = next(walk for seed in range(20) if (walk := toy.walk(required, seed, 400)) is not None)
    assert toy.admits(lark, call)
    bad = call.replace("now", "not")
    assert not toy.admits(lark, bad) or not calls_of(read(fmt, TOOLS, [bad]))


@pytest.mark.parametrize("fmt", VARIANTS, ids=_IDS)
def test_one_call_where_calls_are_not_parallel(fmt: CallFormat) -> None:
    toy = ToyGrammar()
    lark = fmt.grammar(TOOLS, toy.spell, required=True, parallel=False)
    for seed in range(4):
        walk = toy.walk(lark, seed, 600)
        assert walk is None or len(calls_of(read(fmt, TOOLS, [walk]))) == 1


def test_a_call_of_a_tool_that_is_not_strict_takes_any_object() -> None:
    loose = Tool("note", parameters=json.dumps(SCHEMAS["note"]))
    lark = by_name("hermes").grammar([loose], json.dumps, required=False, parallel=True)
    assert ToyGrammar().admits(lark, '<tool_call>\n{"name": "note", "arguments": {"n": "x"}}\n</tool_call>')


@pytest.mark.parametrize("keyword", ["anyOf", "dependentRequired", "minProperties"])
def test_what_tags_cannot_guarantee_is_refused_by_name(keyword: str) -> None:
    tool = Tool("f", parameters=json.dumps({"type": "object", keyword: []}))
    with pytest.raises(InvalidRequest, match=keyword):
        by_name("qwen3_coder").grammar([tool], json.dumps, required=True, parallel=True)


@pytest.mark.parametrize("name", ["glm", "pythonic"])
def test_an_argument_that_a_family_cannot_name_is_refused(name: str) -> None:
    tool = Tool("f", parameters=json.dumps({"properties": {"a>b": {"type": "string"}}}))
    with pytest.raises(InvalidRequest, match="a>b"):
        by_name(name).grammar([tool], json.dumps, required=True, parallel=True)


@pytest.mark.parametrize("parameters", ["{}", "true", '{"type": ["object", "null"]}'])
def test_arguments_are_always_an_object(parameters: str) -> None:
    lark = by_name("hermes").grammar([Tool("f", parameters=parameters)], json.dumps, required=True, parallel=False)
    assert ToyGrammar().admits(lark, '<tool_call>\n{"name": "f", "arguments": {"a": [1]}}\n</tool_call>')
    assert not ToyGrammar().admits(lark, '<tool_call>\n{"name": "f", "arguments": [1]}\n</tool_call>')
    assert not ToyGrammar().admits(lark, '<tool_call>\n{"name": "f", "arguments": null}\n</tool_call>')


@pytest.mark.parametrize("arguments", ['{"text":"a","n":1}', '{"text": "a", "n": 1}', '{\n  "text": "a",\n  "n": 1\n}'])
def test_arguments_may_be_compact_or_indented(arguments: str) -> None:
    lark = by_name("mistral").grammar(TOOLS, json.dumps, required=True, parallel=False)
    assert ToyGrammar().admits(lark, f'[TOOL_CALLS][{{"name": "note", "arguments": {arguments}}}]')


def test_white_space_ends() -> None:
    lark = by_name("mistral").grammar(TOOLS, json.dumps, required=True, parallel=False)
    assert not ToyGrammar().admits(lark, '[TOOL_CALLS][{"name": "now", "arguments": {' + " " * 60 + "}}]")


def test_a_reference_to_the_whole_schema_stays_resolvable() -> None:
    tree = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/Tree"}},
        "required": ["tree"],
        "$defs": {
            "Tree": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
                "required": ["kids"],
                "additionalProperties": False,
            }
        },
    }
    for name, text in {
        "glm": "<tool_call>f\n<arg_key>tree</arg_key>\n<arg_value>{}</arg_value>\n</tool_call>",
        "pythonic": "[f(tree={})]",
    }.items():
        lark = by_name(name).grammar(
            [Tool("f", parameters=json.dumps(tree))], json.dumps, required=True, parallel=False
        )
        assert ToyGrammar().admits(lark, text.replace("{}", '{"kids": [{"kids": []}]}'))
        assert not ToyGrammar().admits(lark, text.replace("{}", '{"kids": [1]}'))


def test_options_and_required_arguments_come_in_any_company() -> None:
    lark = by_name("pythonic").grammar(TOOLS, json.dumps, required=True, parallel=False)
    admitted = [
        call
        for call in (
            "pick(flag=true, either=1)",
            'pick(unit="c", flag=true, either=1)',
            "pick(either=1)",
            "pick(flag=true)",
        )
        if ToyGrammar().admits(lark, f"[{call}]")
    ]
    assert admitted == ["pick(flag=true, either=1)", 'pick(unit="c", flag=true, either=1)']
