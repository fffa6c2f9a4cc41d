"""Calls as agents keep them, in every dialect: whatever the arguments are, they are read."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.request import parse_messages
from gateway.dialects.anthropic.request import to_generate as from_messages
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.request import parse_chat, to_generate
from gateway.dialects.openai.responses.items import to_messages as from_items
from shared.messages import ChatMessage

CASES = [
    ('{"a": "b', '{"a": "b'),
    ("", "{}"),
    ("  ", "{}"),
    (None, "{}"),
    ("null", "null"),
    ([1], "[1]"),
    ("[1]", "[1]"),
    ("words", "words"),
    ({"a": "ü"}, '{"a": "ü"}'),
    ('{"a":1}', '{"a":1}'),
    (7, "7"),
]


def chat(arguments: Any) -> ChatMessage:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body = {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}
    return to_generate(parse_chat(body), "r").prompt.messages[0]


def old_chat(arguments: Any) -> ChatMessage:
    message = {"role": "assistant", "function_call": {"name": "f", "arguments": arguments}}
    return to_generate(parse_chat({"model": "m", "messages": [message]}), "r").prompt.messages[0]


def responses(arguments: Any) -> ChatMessage:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
    return from_items([("input[0]", item)], MediaReader())[0]


def anthropic(arguments: Any) -> ChatMessage:
    use = {"type": "tool_use", "id": "c", "name": "f", "input": arguments}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "ok"}
    messages = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    request = parse_messages({"model": "m", "max_tokens": 1, "messages": messages})
    return from_messages(request, "r", ImageReader()).prompt.messages[0]


@pytest.mark.parametrize("read", [chat, old_chat, responses, anthropic])
@pytest.mark.parametrize(("given", "text"), CASES)
def test_arguments_of_any_kind_are_read(read: Any, given: Any, text: str) -> None:
    assert [call.arguments for call in read(given).tool_calls] == [text]


def test_what_the_messages_surface_wrapped_is_unwrapped() -> None:
    assert anthropic({"INVALID_JSON": '{"a": "b'}).tool_calls[0].arguments == '{"a": "b'
    assert anthropic({"INVALID_JSON": "x", "b": 1}).tool_calls[0].arguments == '{"INVALID_JSON": "x", "b": 1}'


@pytest.mark.parametrize("content", [None, [], ""])
def test_an_answer_that_was_empty_may_come_back(content: Any) -> None:
    item = {"type": "message", "role": "assistant", "content": content}
    assert [one.role for one in from_items([("input[0]", item)], MediaReader())] == ["assistant"]
    if content is not None:
        hi = {"role": "user", "content": "hi"}
        body = {"model": "m", "max_tokens": 1, "messages": [hi, {"role": "assistant", "content": content}, hi]}
        found = from_messages(parse_messages(body), "r", ImageReader()).prompt.messages
        assert [one.role for one in found] == ["user", "assistant", "user"]
