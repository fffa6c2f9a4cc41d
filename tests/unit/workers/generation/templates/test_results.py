"""Results that come in another order than their calls, twice, late, or for nobody."""

from __future__ import annotations

import pytest

from shared.messages import ChatMessage, TextPart, ToolCall
from workers.generation.templates.fold import fold
from workers.generation.templates.results import NO_RESULT, in_order, paired
from workers.generation.templates.traits import TemplateTraits


def said(role: str, text: str = "") -> ChatMessage:
    return ChatMessage(role, (TextPart(text),) if text else ())


def called(*ids: str) -> ChatMessage:
    return ChatMessage("assistant", tool_calls=tuple(ToolCall(one, f"f_{one}", "{}") for one in ids))


def answered(call_id: str | None, text: str) -> ChatMessage:
    return ChatMessage("tool", (TextPart(text),), tool_call_id=call_id)


def outline(messages: list[ChatMessage]) -> list[str]:
    """Results as `id=text`, calls as `+id`, all others as their texts."""
    found = []
    for message in messages:
        text = "".join(part.text for part in message.content if isinstance(part, TextPart))
        calls = "".join(f"+{call.id}" for call in message.tool_calls)
        found.append(f"{message.tool_call_id}={text}" if message.role == "tool" else text + calls)
    return found


NONE = NO_RESULT
U, A = said("user", "u"), said("assistant", "a")
STRAY = "<tool_response>\n{}\n</tool_response>"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([called("x", "y"), answered("y", "2"), answered("x", "1"), A], ["+x+y", "x=1", "y=2", "a"]),
        ([called("x", "y"), answered("y", "2"), A], ["+x+y", f"x={NONE}", "y=2", "a"]),
        ([called("x"), answered("x", "1"), answered("x", "2"), A], ["+x", "x=1\n2", "a"]),
        ([called("x", "x"), answered("x", "1"), answered("x", "2"), A], ["+x+x", "x=1", "x=2", "a"]),
        ([called("x"), U, answered("x", "1")], ["+x", "x=1", "u"]),
        ([called("x"), U, A], ["+x", f"x={NONE}", "u", "a"]),
        ([called("x", "y"), answered("?", "1"), answered(None, "2")], ["+x+y", "x=1", "y=2"]),
        ([U, answered("x", "1"), A], ["u", STRAY.format("1"), "a"]),
        ([called("x"), answered("x", "1"), answered("?", "2"), A], ["+x", "x=1", STRAY.format("2"), "a"]),
        ([called("x"), answered("x", "1"), called("x"), answered("x", "2")], ["+x", "x=1", "+x", "x=2"]),
        ([U, called("x", "y")], ["u", "+x+y"]),
        ([U, called("x", "y"), answered("y", "2")], ["u", "+x+y", f"x={NONE}", "y=2"]),
    ],
)
def test_one_result_a_call(messages: list[ChatMessage], expected: list[str]) -> None:
    assert outline(paired(messages)) == expected
    assert paired(paired(messages)) == paired(messages)


def test_results_stand_in_the_order_of_the_calls_for_every_template() -> None:
    """Most templates write no ids: the order is all that tells whose a result is."""
    messages = [called("x", "y", "z"), answered("z", "3"), answered("?", "4"), answered("x", "1"), U]
    expected = ["+x+y+z", "x=1", "z=3", "?=4", "u"]
    assert outline(in_order(messages)) == expected
    assert outline(fold(messages, TemplateTraits())[0]) == expected
