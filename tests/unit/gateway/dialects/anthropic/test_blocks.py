from __future__ import annotations

import pytest

from gateway.dialects.anthropic.blocks import Blocks, fold
from shared.messages import Accepted, ChoiceFinished, ReasoningDelta, TextDelta, ToolCallDelta

END = ChoiceFinished("r", 0, "stop")


def think(value):
    return ReasoningDelta("r", 0, value)


def say(value):
    return TextDelta("r", 0, value)


def call(number, **more):
    return ToolCallDelta("r", 0, number, **more)


def payloads(*events, show_thinking=True):
    blocks = Blocks("sig", show_thinking)
    return [payload for event in events for payload in blocks.feed(event)]


def content(*events):
    return [(block["type"], block[block["type"]]) for block in fold(payloads(*events))]


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([say(""), END], []),
        ([say("\n"), say(" "), END], []),
        ([think("\n\n"), say("\n\n"), say("a"), END], [("text", "\n\na")]),
        ([think("a"), say("\n"), think("b"), END], [("thinking", "ab")]),
        ([say(" "), think("a"), say("b"), END], [("thinking", "a"), ("text", "b")]),
        ([say("a"), think("b"), say("c"), END], [("text", "a"), ("thinking", "b"), ("text", "c")]),
    ],
)
def test_text_that_is_blank_opens_no_block(events, wanted):
    assert content(*events) == wanted


def test_a_block_is_closed_before_the_next_one_opens():
    found = payloads(Accepted("r"), say("a"), call(0, id="1", name="f", arguments="{}"), call(1, id="2", name="g"), END)
    told = [(one["type"].removeprefix("content_block_"), one["index"]) for one in found]
    assert told == [
        ("start", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("delta", 1),
        ("stop", 1),
        ("start", 2),
        ("stop", 2),
    ]


def test_a_thought_is_signed_when_it_ends():
    found = payloads(think("a"), END)
    assert found[-2]["delta"] == {"type": "signature_delta", "signature": "sig"}
    assert fold(found) == [{"type": "thinking", "thinking": "a", "signature": "sig"}]
    hidden = payloads(think("a"), END, show_thinking=False)
    assert fold(hidden) == [{"type": "thinking", "thinking": "", "signature": "sig"}]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [("", {}), ('{"a": 1}', {"a": 1}), ("[1]", {"INVALID_JSON": "[1]"}), ('{"a', {"INVALID_JSON": '{"a'})],
)
def test_arguments(arguments, wanted):
    pieces = [call(0, id="1", name="f"), *(call(0, arguments=letter) for letter in arguments), END]
    assert fold(payloads(*pieces)) == [{"type": "tool_use", "id": "1", "name": "f", "input": wanted}]


def test_a_block_that_never_closed_is_still_folded():
    assert content(say("a"), say("b")) == [("text", "ab")]


def test_the_finish_is_kept():
    blocks = Blocks("sig", True)
    assert blocks.feed(END) == []
    assert blocks.finished is END


def test_a_text_block_has_no_null_in_it():
    """Vercel's AI SDK takes a list of citations or none; null makes it refuse the whole answer."""
    (start, *_rest) = payloads(say("a"), END)
    assert start["content_block"] == {"type": "text", "text": ""}
