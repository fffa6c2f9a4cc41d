"""Conversations folded by what a template takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.messages import ChatMessage, MediaPart, TextPart, ToolCall
from workers.generation.templates.fold import OPENING, SHOWN, fold
from workers.generation.templates.results import NO_RESULT
from workers.generation.templates.traits import TemplateTraits

ALL = TemplateTraits()
STRICT = TemplateTraits(
    system=False,
    systems=False,
    later_system=False,
    repeated_user=False,
    repeated_assistant=False,
    assistant_first=False,
)


def said(role: str, *parts: str | MediaPart, **more: Any) -> ChatMessage:
    return ChatMessage(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), **more)


def called(*ids: str, text: str = "") -> ChatMessage:
    calls = tuple(ToolCall(call_id, f"f_{call_id}", "{}") for call_id in ids)
    return said("assistant", *([text] if text else []), tool_calls=calls)


def answered(call_id: str | None, *parts: str | MediaPart) -> ChatMessage:
    return said("tool", *parts, tool_call_id=call_id)


def outline(messages: list[ChatMessage]) -> list[str]:
    """`role:text`, calls as `+id`, media as `<blob>`."""
    found = []
    for message in messages:
        texts = [part.text if isinstance(part, TextPart) else f"<{part.blob}>" for part in message.content]
        found.append(f"{message.role}:{'|'.join(texts)}" + "".join(f"+{call.id}" for call in message.tool_calls))
    return found


def folded(traits: TemplateTraits, *messages: ChatMessage, continued: bool = False) -> list[str]:
    return outline(fold(messages, traits, continued=continued)[0])


S, S2 = said("system", "s1"), said("system", "s2")
U, U2, A, A2 = said("user", "u1"), said("user", "u2"), said("assistant", "a1"), said("assistant", "a2")


def test_a_template_that_takes_all_is_given_all() -> None:
    messages = [S, S2, A, U, U2, S, called("x", "y", text="t"), answered("y", "2"), U, said("assistant"), A, A2]
    assert fold(messages, ALL) == (messages, ())


@pytest.mark.parametrize(
    ("changed", "messages", "expected"),
    [
        ({"system": False}, [S, U], ["user:s1\n\nu1"]),
        ({"system": False}, [S, S2, U, U2], ["user:s1\n\ns2\n\nu1", "user:u2"]),
        ({"system": False}, [S], ["user:s1"]),
        ({"system": False}, [S, A, U], ["user:s1", "assistant:a1", "user:u1"]),
        ({"systems": False}, [S, S2, U], ["system:s1\n\ns2", "user:u1"]),
        ({"later_system": False}, [S, U, S2, A], ["system:s1", "user:u1\n\ns2", "assistant:a1"]),
        ({"later_system": False}, [U, A, S2, U2], ["user:u1", "assistant:a1", "user:s2\n\nu2"]),
        ({"later_system": False}, [U, A, S2], ["user:u1", "assistant:a1", "user:s2"]),
        ({"later_system": False}, [U, S2, U2], ["user:u1\n\ns2", "user:u2"]),
        ({"repeated_user": False}, [U, U2, A], ["user:u1\n\nu2", "assistant:a1"]),
        ({"repeated_assistant": False}, [U, A, A2, U2], ["user:u1", "assistant:a1\n\na2", "user:u2"]),
        ({"assistant_first": False}, [A, U], [f"user:{OPENING}", "assistant:a1", "user:u1"]),
        ({"assistant_first": False}, [S, A], ["system:s1", f"user:{OPENING}", "assistant:a1"]),
        ({"userless": False}, [S], ["system:s1", f"user:{OPENING}"]),
        ({"userless": False}, [S, A], ["system:s1", f"user:{OPENING}", "assistant:a1"]),
        ({"userless": False}, [A, U], ["assistant:a1", "user:u1"]),
        ({"empty_assistant": False}, [U, said("assistant", ""), U2], ["user:u1", "user:u2"]),
        ({"empty_assistant": False}, [U, said("assistant", reasoning="hm"), U2], ["user:u1", "user:u2"]),
    ],
)
def test_turns(changed: dict[str, Any], messages: list[ChatMessage], expected: list[str]) -> None:
    assert folded(replace(ALL, **changed), *messages) == expected


def test_an_empty_turn_that_is_continued_stays() -> None:
    traits = replace(ALL, empty_assistant=False)
    assert folded(traits, U, said("assistant"), continued=True) == ["user:u1", "assistant:"]


def test_what_is_left_out_does_not_leave_two_of_a_role() -> None:
    assert folded(replace(STRICT, empty_assistant=False), U, said("assistant"), U2) == ["user:u1\n\nu2"]


def test_media_keep_their_order_in_merged_turns() -> None:
    see, more = said("user", "look", MediaPart("image", 1), "and"), said("user", MediaPart("image", 0), "here")
    assert folded(STRICT, S, see, more) == ["user:s1\n\nlook|<1>|and|<0>|here"]


def test_names_and_thoughts_of_merged_turns() -> None:
    one = said("assistant", "a", name="ana", reasoning="hm")
    ((merged,), _) = fold([one, replace(one, reasoning="so")], STRICT)[0][1:], None
    assert (merged.name, merged.reasoning) == ("ana", "hm\nso")
    ((merged,), _) = fold([one, replace(one, name="bob")], STRICT)[0][1:], None
    assert merged.name is None


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            [U, called("x", "y", text="t"), answered("y", "2"), answered("x", "1"), A],
            ["user:u1", "assistant:t+x", "tool:1", "assistant:+y", "tool:2", "assistant:a1"],
        ),
        (
            [called("x", "y"), answered("y", "2")],
            ["assistant:+x", f"tool:{NO_RESULT}", "assistant:+y", "tool:2"],
        ),
        (
            [called("x", "y"), answered(None, "1"), answered(None, "2")],
            ["assistant:+x", "tool:1", "assistant:+y", "tool:2"],
        ),
        ([called("x"), answered("x", "1")], ["assistant:+x", "tool:1"]),
    ],
)
def test_one_call_a_turn(messages: list[ChatMessage], expected: list[str]) -> None:
    assert folded(replace(ALL, parallel_calls=False), *messages) == expected


def test_calls_apart_from_text() -> None:
    traits = replace(ALL, calls_beside_text=False)
    assert folded(traits, called("x", text="t"), answered("x", "1")) == ["assistant:t", "assistant:+x", "tool:1"]
    alone = replace(traits, repeated_assistant=False)
    assert folded(alone, called("x", text="t"), answered("x", "1")) == ["assistant:t+x", "tool:1"]


@pytest.mark.parametrize(("bridge", "expected"), [("", "assistant:"), ("OK.", "assistant:OK.")])
def test_an_answer_between_a_result_and_a_user(bridge: str, expected: str) -> None:
    traits = replace(ALL, bridge=bridge)
    assert folded(traits, called("x"), answered("x", "1"), U) == ["assistant:+x", "tool:1", expected, "user:u1"]
    interrupted = ["assistant:+x", f"tool:{NO_RESULT}", expected, "user:u1"]
    assert folded(replace(traits, loose_results=False), called("x"), U) == interrupted
    assert folded(traits, U, called("x")) == ["user:u1", "assistant:+x"]


def test_call_ids_of_nine_characters() -> None:
    traits = replace(ALL, any_call_id=False)
    messages, _ = fold([called("call_1", "abcdefgh1"), answered("call_1", "1"), answered("abcdefgh1", "2")], traits)
    first, second = (call.id for call in messages[0].tool_calls)
    assert (len(first), first.isalnum(), second) == (9, True, "abcdefgh1")
    assert [message.tool_call_id for message in messages[1:]] == [first, second]


@pytest.mark.parametrize("missing", ["", None])
def test_a_result_without_an_id_gets_one(missing: str | None) -> None:
    messages, _ = fold([called(""), answered(missing, "1")], replace(ALL, any_call_id=False))
    assert messages[0].tool_calls[0].id == messages[1].tool_call_id
    assert len(messages[1].tool_call_id or "") == 9


def test_results_named() -> None:
    traits = replace(ALL, nameless_results=False)
    messages, _ = fold([called("x"), answered("x", "1"), answered("?", "2"), said("tool", "3", name="own")], traits)
    assert [message.name for message in messages] == [None, "f_x", None, "own"]


def test_media_out_of_results() -> None:
    traits = replace(ALL, media_results=False)
    messages = [called("x", "y"), answered("x", "see", MediaPart("image", 1)), answered("y", MediaPart("image", 0)), U]
    assert folded(traits, *messages) == [
        "assistant:+x+y",
        f"tool:see|{SHOWN}",
        f"tool:{SHOWN}",
        "user:<1>|<0>",
        "user:u1",
    ]
    assert folded(traits, answered("x", MediaPart("image", 1))) == [f"tool:{SHOWN}", "user:<1>"]
    assert folded(traits, answered("x", "1")) == ["tool:1"]


def test_the_steps_that_changed_something_are_named() -> None:
    assert fold([S, U, U2], STRICT)[1] == ("system messages into user turns", "neighbours merged")


CALLS = (called("x", "y", text="t"), answered("x", "1"), answered("y", "2"))
HISTORY = (S, S2, U, U2, S, *CALLS, S2, called("z"), answered("z", "3"), A, U, said("assistant"), U2, A2, U)


@pytest.mark.parametrize(
    "traits",
    [
        STRICT,
        replace(ALL, later_system=False),
        replace(STRICT, bridge="", any_call_id=False, empty_assistant=False),
        replace(STRICT, parallel_calls=False, calls_beside_text=False, repeated_assistant=True),
    ],
)
def test_what_was_asked_before_is_a_prefix_of_the_next_turn(traits: TemplateTraits) -> None:
    """The model is asked where an answer follows; all that stood before has to be written in the same way again."""
    whole = folded(traits, *HISTORY)
    for at in (
        at for at, message in enumerate(HISTORY) if message.role == "assistant" and (message.content or at == 9)
    ):
        begun = folded(traits, *HISTORY[:at])
        assert whole[: len(begun)] == begun
