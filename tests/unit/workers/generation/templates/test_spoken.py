"""Tools, calls and results as text."""

from __future__ import annotations

import json

from shared.messages import ChatMessage, MediaPart, TextPart, Tool, ToolCall
from tests.text_driver import WEATHER
from workers.generation.calls.format import Arguments, CallBegins, CallEnds
from workers.generation.calls.hermes import Hermes
from workers.generation.templates.spoken import HERMES, describe, speak, speak_calls


def user(text: str) -> ChatMessage:
    return ChatMessage("user", (TextPart(text),))


def text_of(message: ChatMessage) -> str:
    return "\n".join(part.text if isinstance(part, TextPart) else f"<{part.blob}>" for part in message.content)


def test_tools_are_told_behind_the_system_text() -> None:
    told, hi = describe([ChatMessage("system", (TextPart("Be brief."),)), user("hi")], [WEATHER])
    text = text_of(told)
    assert (told.role, hi) == ("system", user("hi"))
    assert text.startswith("Be brief.\n\n# Tools\n")
    listed = text.split("<tools>\n")[1].split("\n</tools>")[0]
    assert json.loads(listed)["function"]["name"] == WEATHER.name
    assert text.endswith('<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>')


def test_tools_are_told_without_a_system_text() -> None:
    told, _ = describe([user("hi")], [Tool("f", "has {braces}")], "f(...)")
    assert (told.role, text_of(told).startswith("# Tools\n")) == ("system", True)
    assert "has {braces}" in text_of(told)
    assert text_of(told).endswith("like this:\nf(...)")


def test_calls_are_spoken_as_the_reader_reads_them() -> None:
    call = ToolCall("c", 'quo"te', '{"city": "Zürich"}')
    (said,) = speak([ChatMessage("assistant", (TextPart("Let me see."),), reasoning="hm", tool_calls=(call, call))])
    assert (said.tool_calls, said.reasoning) == ((), "hm")
    pieces = Hermes().reader([Tool('quo"te')]).feed(text_of(said).removeprefix("Let me see.\n"))
    assert [piece.name for piece in pieces if isinstance(piece, CallBegins)] == ['quo"te'] * 2
    assert "".join(piece.text for piece in pieces if isinstance(piece, Arguments)) == '{"city": "Zürich"}' * 2
    assert sum(isinstance(piece, CallEnds) for piece in pieces) == 2
    assert Hermes().name == HERMES


def test_broken_arguments_are_shown_as_they_are() -> None:
    (said,) = speak([ChatMessage("assistant", tool_calls=(ToolCall("c", "f", '{"a": "b'),))])
    assert text_of(said) == '<tool_call>\n{"name": "f", "arguments": {"a": "b}\n</tool_call>'


def test_results_in_a_row_are_one_turn() -> None:
    one = ChatMessage("tool", (TextPart("1"),), tool_call_id="a")
    two = ChatMessage("tool", (TextPart("see"), MediaPart("image", 0)), tool_call_id="b")
    found = speak([one, two, user("And?"), ChatMessage("tool")])
    assert [message.role for message in found] == ["user", "user", "user"]
    assert text_of(found[0]) == (
        "<tool_response>\n1\n</tool_response>\n<tool_response>\nsee\n<0>\n</tool_response>"
    )  # fmt: skip
    assert text_of(found[2]) == "<tool_response>\n</tool_response>"


def test_calls_alone() -> None:
    result = ChatMessage("tool", (TextPart("1"),))
    said, same = speak_calls([ChatMessage("assistant", tool_calls=(ToolCall("c", "f", "{}"),)), result])
    assert (text_of(said), same) == ('<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', result)
