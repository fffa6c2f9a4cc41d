from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.parameters import Fate, refuse_unsupported, unknown_names
from gateway.dialects.openai.responses.parameters import PARAMETERS
from gateway.dialects.openai.responses.request import (
    AnswerOptions,
    options,
    parse_count,
    parse_responses,
    to_count,
    to_generate,
    understand,
)
from gateway.dialects.openai.responses.schema import ResponsesRequest
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import ChatMessage, Grammar, Sampling, TextPart

HI = {"model": "m", "input": "hi"}
F = {"type": "function", "name": "f"}


def generate(body, history=()):
    request = parse_responses(HI | body)
    asked = understand(request, tuple(request.input or ()))
    return to_generate(asked, history, "resp_1", MediaReader())


def test_a_text_is_a_message_of_the_user():
    work = generate({})
    assert work.prompt.messages == (ChatMessage("user", (TextPart("hi"),)),)
    assert (work.request, work.tool_choice, work.grammar, work.sampling) == ("resp_1", "auto", None, Sampling())


def test_instructions_come_before_all_and_history_before_the_input():
    history = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
    work = generate({"instructions": "brief", "previous_response_id": "resp_0"}, history)
    assert [(one.role, one.content[0].text) for one in work.prompt.messages] == [
        ("system", "brief"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "hi"),
    ]


def test_codex_warms_up_with_nothing_to_say():
    work = generate({"input": "", "max_output_tokens": 1, "instructions": "You are Codex."})
    assert [one.role for one in work.prompt.messages] == ["system", "user"]
    assert work.sampling.max_tokens == 1


def test_sampling():
    work = generate({"temperature": 0.5, "top_p": 0, "top_logprobs": 3, "max_output_tokens": 9, "seed": 4, "stop": "x"})
    assert work.sampling == Sampling(temperature=0.5, top_k=1, logprobs=3, max_tokens=9, seed=4, stop=("x",))


def test_logprobs_by_include():
    assert generate({"include": ["message.output_text.logprobs"]}).sampling.logprobs == 0


@pytest.mark.parametrize(
    ("reasoning", "kwargs"),
    [
        (None, {}),
        ({"effort": "none"}, {"enable_thinking": False}),
        ({"effort": "high", "summary": "auto"}, {"reasoning_effort": "high"}),
        ({"effort": None}, {}),
    ],
)
def test_effort(reasoning, kwargs):
    assert json.loads(generate({"reasoning": reasoning}).prompt.template_kwargs) == kwargs


@pytest.mark.parametrize(
    ("wanted", "grammar"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Grammar("json_object")),
        (
            {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            Grammar("json_schema", '{"type": "object"}', strict=True),
        ),
    ],
)
def test_text_format(wanted, grammar):
    assert generate({"text": {"format": wanted, "verbosity": "low"}}).grammar == grammar


def test_tools():
    work = generate({"tools": [F], "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False})
    assert [tool.name for tool in work.prompt.tools] == ["f"]
    assert (work.tool_choice, work.callable_tools, work.parallel_tool_calls) == ("required", ("f",), False)
    bound = {"text": {"format": {"type": "json_object"}}}
    assert generate(bound | {"tools": [F], "tool_choice": "required"}).grammar is None
    none = generate({"tools": [F], "tool_choice": "none"})
    assert (none.prompt.tools, none.parse_tools) == ((), False)


def test_options():
    assert options(parse_responses(HI)) == AnswerOptions()
    wanted = {"stream": True, "background": True, "reasoning": {"summary": "auto"}}
    found = options(parse_responses(HI | wanted | {"include": ["reasoning.encrypted_content"]}))
    assert found == AnswerOptions(stream=True, background=True, summary=True, sealed=True)


def test_a_count_reads_the_same_prompt():
    request = parse_count(HI | {"instructions": "brief", "temperature": 9})
    asked = understand(request, tuple(request.input or ()))
    count = to_count(asked, (), "count_1", MediaReader())
    assert [one.role for one in count.prompt.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 1}, "input"),
        ({"input": [1]}, "input[0]"),
        ({"input": [{"role": "user", "content": "x"}, {}]}, "input[1].type"),
        ({"model": ""}, "model"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"background": True, "store": False}, "background"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"$ref": "#"}}}}, "text.format.schema"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"stream": "yes"}, "stream"),
        ({"include": "x"}, "include"),
        ({"tool_choice": 1}, "tool_choice"),
    ],
)
def test_mistakes_are_named(change, param):
    with pytest.raises(InvalidRequest) as caught:
        generate(change)
    assert caught.value.param == param


def test_the_schema_holds_what_is_honoured():
    assert {one.name for one in PARAMETERS if one.fate is Fate.HONOURED} == set(ResponsesRequest.model_fields)


def test_every_parameter_has_one_fate_and_a_note():
    assert len({one.name for one in PARAMETERS}) == len(PARAMETERS)
    assert all(one.note for one in PARAMETERS)


def test_what_is_refused_is_refused_by_name():
    for one in PARAMETERS:
        body = {one.name: "anything"}
        if one.fate is Fate.REFUSED:
            with pytest.raises(UnsupportedParameter) as caught:
                refuse_unsupported(body, PARAMETERS)
            assert caught.value.param == one.name
        else:
            assert refuse_unsupported(body, PARAMETERS) is None
        assert unknown_names(body, PARAMETERS) == []


@pytest.mark.parametrize(("choice", "parallel"), [("required", True), ({"type": "function", "name": "f"}, False)])
def test_a_named_tool_is_called_once(choice, parallel):
    work = generate({"tools": [F], "tool_choice": choice, "parallel_tool_calls": True})
    assert (work.tool_choice, work.parallel_tool_calls) == ("required", parallel)
