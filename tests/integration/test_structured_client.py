"""Answers and calls that have to match something, through the official client: the demo, and a model of random weights
that would never write them by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import openai
import pytest
from openai import OpenAI

from tests import models
from tests.integration.node import serve

HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CLOCK = {
    "type": "object",
    "properties": {"zone": {"const": "UTC"}},
    "required": ["zone"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "get_time", "description": "Time.", "parameters": CLOCK}},
]
SCHEMAS = {"get_weather": WEATHER, "get_time": CLOCK}
GET_WEATHER: Any = {"type": "function", "function": {"name": "get_weather"}}
PERSON = {
    "type": "object",
    "properties": {"name": {"enum": ["Ada", "Alan"]}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.fixture(scope="module", params=["demo-chat", "random"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenAI, str]]:
    """A client, and the model to ask."""
    if request.param == "demo-chat":
        yield request.getfixturevalue("client"), "demo-chat"
        return
    folder = tmp_path_factory.mktemp("random")
    models.build("qwen3", folder / "random")
    with serve(folder / "log", str(folder / "random")) as node:
        url = node.url + "/v1"
        with OpenAI(base_url=url, api_key="none", max_retries=0, _strict_response_validation=True) as client:
            yield client, "random"


def ask(asked: tuple[OpenAI, str], **more: Any) -> Any:
    client, model = asked
    wanted = {"model": model, "messages": HELLO, "max_tokens": 600, "temperature": 1.0, "seed": 5, **more}
    if not wanted.get("stream"):
        return client.chat.completions.create(**wanted).choices[0]
    return client.chat.completions.create(**wanted)


# ------------------------------------------------------------------ answers
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_matches_its_schema(asked: tuple[OpenAI, str], stream: bool) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    if stream:
        chunks = [chunk.choices[0] for chunk in ask(asked, response_format=wanted, stream=True) if chunk.choices]
        text = "".join(chunk.delta.content or "" for chunk in chunks)
        assert sum(bool(chunk.delta.content) for chunk in chunks) > 3  # as it is written, not at the end
    else:
        text = ask(asked, response_format=wanted).message.content
    jsonschema.validate(json.loads(text), PERSON)


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ({"guided_choice": ["yes", "no"]}, lambda text: text in ("yes", "no")),
        ({"structured_outputs": {"choice": ["ja", "nein"]}}, lambda text: text in ("ja", "nein")),
        ({"guided_regex": r"[0-9]{3}-[a-f]{2}"}, lambda text: re.fullmatch(r"[0-9]{3}-[a-f]{2}", text)),
        ({"structured_outputs": {"regex": "(ab){2,4}"}}, lambda text: re.fullmatch("(ab){2,4}", text)),
        ({"guided_grammar": 'start: "<" DIGIT "," DIGIT ">"\nDIGIT: /[0-9]/'}, lambda t: re.fullmatch(r"<\d,\d>", t)),
        ({"guided_json": PERSON}, lambda text: jsonschema.validate(json.loads(text), PERSON) is None),
        (
            {"structured_outputs": {"json": json.dumps(PERSON)}},
            lambda text: jsonschema.validate(json.loads(text), PERSON) is None,
        ),
    ],
)
def test_vllms_ways_to_say_it(asked: tuple[OpenAI, str], given: dict[str, Any], matches: Any) -> None:
    choice = ask(asked, extra_body=given)
    assert choice.finish_reason == "stop"
    assert matches(choice.message.content)


def test_a_json_object_is_one_or_was_cut(asked: tuple[OpenAI, str]) -> None:
    choice = ask(asked, response_format={"type": "json_object"})
    assert choice.message.content.lstrip().startswith("{")
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict)


def test_every_choice_matches(asked: tuple[OpenAI, str]) -> None:
    client, model = asked
    answer = client.chat.completions.create(
        model=model, messages=HELLO, n=4, temperature=1.0, seed=1, extra_body={"guided_json": PERSON}
    )
    for choice in answer.choices:
        jsonschema.validate(json.loads(choice.message.content or ""), PERSON)


# ------------------------------------------------------------------ calls
def check(calls: list[tuple[str, str]]) -> None:
    assert calls
    for name, arguments in calls:
        jsonschema.validate(json.loads(arguments), SCHEMAS[name])


@pytest.mark.parametrize(
    ("choice", "reason", "names"),
    [
        ("required", "tool_calls", {"get_weather", "get_time"}),
        (GET_WEATHER, "stop", {"get_weather"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
            "tool_calls",
            {"get_time"},
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_has_to_be_made_parses_and_validates(
    asked: tuple[OpenAI, str], choice: Any, reason: str, names: set[str], stream: bool
) -> None:
    more = {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False, "stream": stream}
    if not stream:
        whole = ask(asked, **more)
        assert (whole.finish_reason, whole.message.content) == (reason, None)
        calls = [(call.function.name, call.function.arguments) for call in whole.message.tool_calls]
    else:
        found: dict[int, list[str]] = {}
        for chunk in ask(asked, **more):
            piece = chunk.choices[0]
            for call in piece.delta.tool_calls or ():
                one = found.setdefault(call.index, ["", ""])
                one[0] += call.function.name or ""
                one[1] += call.function.arguments or ""
            assert piece.finish_reason in (None, reason)
        calls = [(name, arguments) for name, arguments in found.values()]
    check(calls)
    assert len(calls) == 1
    assert {name for name, _ in calls} <= names


def test_a_call_that_is_cut_says_so(asked: tuple[OpenAI, str]) -> None:
    choice = ask(asked, tools=TOOLS, tool_choice="required", max_tokens=6, extra_body=NO_THINKING)
    assert choice.finish_reason == "length"


# ------------------------------------------------------------------ thoughts
def test_a_thought_comes_before_the_format(client: OpenAI) -> None:
    choice = ask((client, "demo-chat"), extra_body={"guided_choice": ["yes", "no"]}, temperature=0)
    assert choice.message.reasoning
    assert choice.message.content in ("yes", "no")


def test_a_thought_is_closed_in_time(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="demo-chat", messages=HELLO, temperature=0, extra_body={"thinking_token_budget": 3}
    )
    assert "The user".startswith(answer.choices[0].message.reasoning)  # type: ignore[attr-defined]
    assert answer.choices[0].message.content == "Hello! How can I help you today?"


def test_a_thought_may_stay_in_the_text(client: OpenAI) -> None:
    for given in ({"separate_reasoning": False}, {"reasoning_format": "raw"}):
        message = ask((client, "demo-chat"), extra_body=given, temperature=0).message
        assert message.content.startswith("<think>")
        assert not hasattr(message, "reasoning")


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("given", "param", "says"),
    [
        ({"guided_json": {"type": "string", "enum": [1]}}, "guided_json", "nsatisfiable"),
        ({"guided_regex": "a(?=b)"}, "guided_regex", "look"),
        ({"guided_grammar": "start: undefined_rule"}, "guided_grammar", "undefined_rule"),
        ({"structured_outputs": {"regex": "("}}, "structured_outputs.regex", "unclosed"),
        ({"guided_json": PERSON, "guided_regex": "a"}, "guided_regex", "guided_json"),
    ],
)
def test_what_cannot_be_compiled_is_a_400_that_names_it(
    client: OpenAI, given: dict[str, Any], param: str, says: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=says) as caught:
        ask((client, "demo-chat"), extra_body=given)
    assert caught.value.param == param
    assert ask((client, "demo-chat"), max_tokens=1).finish_reason == "length"


# ------------------------------------------------------------------ schemas as clients write them, on a weak model
OPEN = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}, "ok": {"type": "boolean"}},
    "required": ["kind", "ok"],
}
CLASSIFY: Any = {"type": "function", "function": {"name": "classify", "parameters": OPEN}}
CALL_CLASSIFY: Any = {"type": "function", "function": {"name": "classify"}}
SHORT = {"max_tokens": 200, "temperature": 0.0}


def test_a_named_tool_with_an_open_object_is_called_once_and_ends(client: OpenAI) -> None:
    found = client.chat.completions.create(
        model="demo-chat",
        messages=HELLO,
        tools=[CLASSIFY],
        tool_choice=CALL_CLASSIFY,
        parallel_tool_calls=True,
        **SHORT,
    )
    choice = found.choices[0]
    assert choice.finish_reason == "stop"
    assert len(choice.message.tool_calls or ()) == 1
    jsonschema.validate(json.loads(choice.message.tool_calls[0].function.arguments), OPEN)  # type: ignore[index,union-attr]


def test_an_open_schema_ends(client: OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "f", "schema": OPEN}}
    found = client.chat.completions.create(model="demo-chat", messages=HELLO, response_format=form, **SHORT)
    assert found.choices[0].finish_reason == "stop"
    assert json.loads(found.choices[0].message.content or "").keys() == {"kind", "ok"}


def test_numbers_of_a_weak_model_end(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "x": {"type": "number"}},
        "required": ["n", "x"],
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    for prompt in ("Hello!", "Count.", "3.3333333"):
        messages: Any = [{"role": "user", "content": prompt}]
        found = client.chat.completions.create(model="demo-chat", messages=messages, response_format=form, **SHORT)
        assert found.choices[0].finish_reason == "stop"


def test_required_calls_are_whole_and_none_comes_twice(client: OpenAI) -> None:
    for limit in (200, 40, 30):
        found = client.chat.completions.create(
            model="demo-chat", messages=HELLO, tools=[CLASSIFY], tool_choice="required", max_tokens=limit, temperature=0
        )
        calls = found.choices[0].message.tool_calls or []
        told = [call.function.arguments for call in calls]  # type: ignore[union-attr]
        for arguments in told[1:]:
            jsonschema.validate(json.loads(arguments), OPEN)
        assert len(set(told)) == len(told)
        assert "<tool_call>" not in (found.choices[0].message.content or "")


def test_a_forced_call_that_is_cut_at_once_says_nothing(client: OpenAI) -> None:
    found = client.chat.completions.create(
        model="demo-chat", messages=HELLO, tools=[CLASSIFY], tool_choice=CALL_CLASSIFY, max_tokens=2
    )
    assert (found.choices[0].finish_reason, found.choices[0].message.content or "") == ("length", "")


@pytest.mark.parametrize("stream", [False, True])
def test_a_header_names_what_does_not_bind(client: OpenAI, stream: bool) -> None:
    schema = {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3, "maxItems": 3}
    form: Any = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    answer = client.chat.completions.with_raw_response.create(
        model="demo-chat", messages=HELLO, response_format=form, stream=stream, **SHORT
    )
    assert answer.headers["x-mlx-gateway-unbound"] == "uniqueItems"
    assert answer.headers.get("x-mlx-gateway-unmet") == (None if stream else "uniqueItems")  # three of two values
    answer.http_response.close()
    form["json_schema"]["strict"] = True
    with pytest.raises(openai.BadRequestError, match="'uniqueItems' can't be guaranteed"):
        client.chat.completions.create(model="demo-chat", messages=HELLO, response_format=form)
