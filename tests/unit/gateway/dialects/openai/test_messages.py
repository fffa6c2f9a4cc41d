from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.request import parse_chat, to_generate
from shared.errors import InvalidRequest, UnsupportedParameter, WrongModality
from shared.messages import ChatMessage, TextPart, Tool, ToolCall


def prompt(messages, **more):
    return to_generate(parse_chat({"model": "m", "messages": messages, **more}), "r").prompt


def test_roles_and_texts():
    given = [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ana"},
        {"role": "assistant", "content": "c"},
        {"role": "tool", "content": "21", "tool_call_id": "call_1"},
    ]
    assert prompt(given).messages == (
        ChatMessage("system", (TextPart("be brief"),)),
        ChatMessage("system", (TextPart("be kind"),)),
        ChatMessage("user", (TextPart("a"), TextPart("b")), "ana"),
        ChatMessage("assistant", (TextPart("c"),)),
        ChatMessage("tool", (TextPart("21"),), tool_call_id="call_1"),
    )


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_an_assistant_turn_with_reasoning_and_calls(key):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    given = [{"role": "assistant", "content": None, "tool_calls": calls, key: "hm"}]
    assert prompt(given).messages == (ChatMessage("assistant", (), None, "hm", (ToolCall("call_1", "f", '{"x": 1}'),)),)


def test_empty_arguments_become_an_empty_object():
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]
    assert prompt([{"role": "assistant", "tool_calls": calls}]).messages[0].tool_calls[0].arguments == "{}"


def test_a_refusal_is_text():
    parts = [{"type": "refusal", "refusal": "no"}]
    assert prompt([{"role": "assistant", "content": parts}]).messages[0].content == (TextPart("no"),)
    assert prompt([{"role": "assistant", "refusal": "no"}]).messages[0].content == (TextPart("no"),)


def test_an_assistant_turn_that_holds_nothing():
    for content in (None, [], ""):
        (_, empty) = prompt([{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}]).messages
        assert "".join(part.text for part in empty.content) == ""
        assert (empty.role, empty.tool_calls) == ("assistant", ())


def test_functions_of_old_are_calls_and_results():
    given = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}},
        {"role": "function", "name": "f", "content": "21"},
        {"role": "assistant", "function_call": {"name": "g"}},
        {"role": "function", "name": "g", "content": None},
        {"role": "function", "name": "lost", "content": "?"},
    ]
    assert prompt(given).messages[1:] == (
        ChatMessage("assistant", tool_calls=(ToolCall("call_1", "f", '{"x": 1}'),)),
        ChatMessage("tool", (TextPart("21"),), "f", tool_call_id="call_1"),
        ChatMessage("assistant", tool_calls=(ToolCall("call_3", "g", "{}"),)),
        ChatMessage("tool", (), "g", tool_call_id="call_3"),
        ChatMessage("tool", (TextPart("?"),), "lost", tool_call_id="call_lost"),
    )


def test_a_tools_result_may_be_nothing():
    assert prompt([{"role": "tool", "content": None, "tool_call_id": "c"}]).messages[0].content == ()


def test_a_function_needs_a_name():
    with pytest.raises(InvalidRequest) as caught:
        prompt([{"role": "function", "content": "21"}])
    assert caught.value.param == "messages[0].name"


@pytest.mark.parametrize("kind", ["image_url", "video_url", "input_audio", "audio_url", "file"])
def test_media_on_a_text_model_is_refused_by_its_place(kind):
    content = [{"type": "text", "text": "what is this?"}, {"type": kind, kind: {"url": "data:,"}}]
    with pytest.raises(WrongModality, match=kind) as caught:
        prompt([{"role": "system", "content": "x"}, {"role": "user", "content": content}])
    assert (caught.value.param, caught.value.status) == ("messages[1].content[1]", 400)


WEATHER = {"name": "weather", "description": "of a place", "parameters": {"type": "object"}, "strict": True}


def test_tools_travel_as_json_text():
    tools = [{"type": "function", "function": WEATHER}, {"function": {"name": "now"}}]
    found = prompt([{"role": "user", "content": "x"}], tools=tools).tools
    assert found == (
        Tool("weather", "of a place", '{"type": "object"}', True),
        Tool("now", None, '{"type": "object", "properties": {}}'),
    )
    assert json.loads(found[1].parameters)["type"] == "object"


def test_a_tool_that_is_not_a_function():
    with pytest.raises(UnsupportedParameter) as caught:
        prompt([{"role": "user", "content": "x"}], tools=[{"type": "custom", "custom": {"name": "x"}}])
    assert caught.value.param == "tools[0].type"


def test_a_tool_without_its_function():
    with pytest.raises(InvalidRequest) as caught:
        prompt([{"role": "user", "content": "x"}], tools=[{"type": "function"}])
    assert caught.value.param == "tools[0].function"
