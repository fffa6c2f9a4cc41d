"""Guaranteed calls: from random weights, in every family's format, a call parses and its arguments validate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import jsonschema
import pytest

from shared.families import ToolParserName
from shared.messages import ChatMessage, Generate, Grammar, Prompt, Sampling, TextPart, Tool
from tests.fakes.llm_tokenizer import ENDS, ids
from tests.text_driver import Answer, Driver
from workers.generation.calls.detect import by_name

Drivers = Callable[..., Driver]

FAMILIES = [name for name in get_args(ToolParserName) if name not in ("auto", "none")]
NEST = {
    "type": "object",
    "properties": {
        "s": {"type": "string", "maxLength": 5},
        "n": {"type": "integer", "minimum": 0, "maximum": 99},
        "a": {"type": "array", "items": {"enum": ["x", 1, None]}, "maxItems": 2},
        "at": {"$ref": "#/$defs/Place"},
    },
    "required": ["s", "n"],
    "additionalProperties": False,
    "$defs": {"Place": {"type": "object", "properties": {"x": {"type": "boolean"}}, "additionalProperties": False}},
}
TOOLS = (
    Tool("get", "Weather", json.dumps(NEST)),
    Tool("now", None, '{"type": "object", "properties": {}, "additionalProperties": false}'),
)
# Random weights rarely close or end anything by themselves.
CLOSING = (*((ids(character)[0], 5.0) for character in '"}])>'), *((token, 8.0) for token in ENDS))


def asked(request: str, tools: tuple[Tool, ...] = TOOLS, seed: int = 0, **more: Any) -> Generate:
    own = {name: more.pop(name) for name in list(more) if name in Generate.__dataclass_fields__}
    prompt = Prompt(messages=(ChatMessage("user", (TextPart(f"hi {seed}"),)),), tools=tools)
    sampling = Sampling(**({"temperature": 1.0, "seed": seed, "max_tokens": 300, "logit_bias": CLOSING} | more))
    return Generate(request, prompt, sampling, thinking_budget=3, **own)


def run(driver: Driver, *works: Generate) -> None:
    for work in works:
        driver.submit(work)
    driver.drain()


def calls(answer: Answer) -> list[tuple[str, Any]]:
    """Names and arguments; raises where the arguments are no JSON."""
    names = {delta.call: delta.name for delta in answer.calls if delta.name}
    texts = {call: "".join(d.arguments for d in answer.calls if d.call == call) for call in names}
    return [(names[call], json.loads(texts[call])) for call in sorted(names)]


def validate(found: list[tuple[str, Any]], tools: tuple[Tool, ...] = TOOLS) -> None:
    schemas = {tool.name: json.loads(tool.parameters) for tool in tools}
    for name, arguments in found:
        jsonschema.validate(arguments, schemas[name])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_required_call_parses_and_validates(driver: Drivers, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = driver("qwen3", max_batch=8)
    monkeypatch.setattr(found.engine.loop.formats, "calls", by_name(family))
    run(found, *(asked(f"r{seed}", seed=seed, tool_choice="required", parallel_tool_calls=seed % 2 == 0)
                 for seed in range(3)))  # fmt: skip
    whole = 0
    for number, answer in enumerate(found.answers.values()):
        if answer.finished[0].reason == "length":
            continue
        whole += 1
        made = calls(answer)
        assert answer.finished[0].reason == "tool_calls"
        assert answer.text[0].strip() == ""
        assert len(made) >= 1
        assert number % 2 == 0 or len(made) == 1
        validate(made)
    assert whole >= 1


def test_a_model_whose_template_knows_no_tools_can_be_made_to_call(driver: Drivers) -> None:
    found = driver("qwen3", tool_parser="none")
    run(found, asked("r", tool_choice="required"))
    made = calls(found.answers["r"])
    assert made
    validate(made)


def test_only_callable_tools_are_called(driver: Drivers) -> None:
    found = driver("qwen3", max_batch=8)
    run(found, *(asked(f"r{s}", seed=s, tool_choice="required", callable_tools=("now",), parallel_tool_calls=False)
                 for s in range(5)))  # fmt: skip
    assert [calls(answer) for answer in found.answers.values()] == [[("now", {})]] * 5


def test_calls_of_a_strict_tool_validate_when_the_model_makes_one(driver: Drivers) -> None:
    found = driver("qwen3", max_batch=8)
    strict = tuple(Tool(tool.name, tool.description, tool.parameters, strict=True) for tool in TOOLS)
    begin = ids("<tool_call>")[0]
    run(found, *(asked(f"r{s}", strict, seed=s, logit_bias=(*CLOSING, (begin, 12.0)), parallel_tool_calls=False)
                 for s in range(6)))  # fmt: skip
    made = [calls(answer) for answer in found.answers.values() if answer.finished[0].reason == "tool_calls"]
    assert made
    for one in made:
        validate(one)


def test_an_answer_is_of_the_grammar_or_calls(driver: Drivers) -> None:
    found = driver("qwen3", max_batch=8)
    red = Grammar("json_schema", '{"type": "object", "properties": {"c": {"enum": ["red"]}}, "required": ["c"]}')
    begin = ids("<tool_call>")[0]
    biased = (*CLOSING, (begin, 9.0))
    run(
        found,
        *(asked(f"text{s}", seed=s, grammar=red, logit_bias=(*CLOSING, (begin, -100.0))) for s in range(3)),
        *(asked(f"call{s}", seed=s, grammar=red, logit_bias=biased) for s in range(3)),
    )
    for name, answer in found.answers.items():
        if name.startswith("text"):
            assert json.loads(answer.text[0])["c"] == "red"
            assert not answer.calls
        elif answer.finished[0].reason != "length":
            assert answer.finished[0].reason == "tool_calls"
            validate(calls(answer))


def test_a_cut_call_says_so(driver: Drivers) -> None:
    found = driver("qwen3")
    run(found, asked("r", tool_choice="required", max_tokens=25))
    assert found.answers["r"].finished[0].reason == "length"
