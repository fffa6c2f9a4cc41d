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
    with pytest.raises(InvalidRequest) as caught:
        prompt([{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}])
    assert caught.value.param == "messages[1].content"


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
