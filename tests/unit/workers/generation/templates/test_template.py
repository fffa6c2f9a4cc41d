"""Whole prompts through a learnt template: what the steps do together, at the edges of a conversation."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.messages import ChatMessage, MediaPart, Prompt, TextPart, Tool, ToolCall
from tests.fakes.templates import FORMS, form, template, tokenizer_with
from tests.text_driver import WEATHER
from workers.generation.templates.template import ChatTemplate
from workers.generation.templates.traits import ToolUse

SAY = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
PARTS = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}[{{ m.role }}]"
    "{% for p in m.content %}{{ p.text if p.type == 'text' else '<' ~ p.type ~ '>' }}{% endfor %}{% endfor %}"
)


def said(role: str, *texts: str, **more: Any) -> ChatMessage:
    return ChatMessage(role, tuple(TextPart(text) for text in texts), **more)


def called(arguments: str) -> Prompt:
    call = ChatMessage("assistant", tool_calls=(ToolCall("call_1", "f", arguments),))
    return Prompt((said("user", "hi"), call, said("tool", "ok", tool_call_id="call_1")))


# ------------------------------------------------------------------ arguments
@pytest.mark.parametrize("arguments", ['{"path": "a', "null", "[1]", '"x"', "x", "1" * 5000, "[" * 100_000])
@pytest.mark.parametrize("name", FORMS)
def test_broken_arguments_can_be_seen_in_every_form(name: str, arguments: str) -> None:
    written = form(name).write(called(arguments))
    assert arguments in written or json.dumps(arguments)[1:-1] in written


@pytest.mark.parametrize("name", FORMS)
def test_an_object_is_never_wrapped(name: str) -> None:
    for arguments in ("{}", "", '{"path": "a.txt"}'):
        written = form(name).write(called(arguments))
        assert "INVALID_JSON" not in written
        assert ("a.txt" in written) == ("a.txt" in arguments)


def test_half_a_surrogate_pair_does_not_end_a_session() -> None:
    written = form("object_arguments").write(called('{"path": "\\ud83d"}'))
    assert "<parameter=path>\n?\n</parameter>" in written


# ------------------------------------------------------------------ tools
def test_tools_that_only_a_system_message_brings_are_told_without_one() -> None:
    told = "{% if messages[0].role == 'system' %}{{ tools | tojson if tools }}{% endif %}" + (
        "{% for m in messages %}{{ m.role }}:{{ m.content }}"
        "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %};{% endfor %}"
    )
    learnt = template(told)
    assert learnt.tool_use is ToolUse.NATIVE
    written = learnt.write(Prompt((said("user", "hi"),), tools=(WEATHER,)))
    assert WEATHER.name in written
    assert written.endswith("system:You can call functions.;user:hi;")
    asked = learnt.write(Prompt((said("system", "Be brief."), said("user", "hi")), tools=(WEATHER,)))
    assert (WEATHER.name in asked, "You can call" in asked) == (True, False)
    assert learnt.write(Prompt((said("user", "hi"),))) == "user:hi;"


def test_tools_of_a_template_without_a_system_role_stand_in_the_first_user_turn() -> None:
    prompt = Prompt((said("system", "Be brief."), said("user", "hi")), tools=(WEATHER,))
    written = form("no_system").write(prompt)
    assert written.startswith("<turn>user\nBe brief.\n\n# Tools\n")
    assert written.endswith("</tool_call>\n\nhi<end>\n<turn>model\n")


def test_tools_of_a_template_that_writes_calls_are_told_with_one_of_its_own() -> None:
    learnt = form("text_arguments")
    written = learnt.write(Prompt((said("user", "hi"),), tools=(WEATHER,)))
    told = written.split("like this:\n")[1].split("<｜User｜>")[0]
    assert told == (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>function_name\n"
        '```json\n{"name": "value"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    )


def test_a_template_whose_calls_cannot_stand_alone_gives_no_example() -> None:
    """Its tools are told in the common form then, and all of it is text."""
    last = "{% if messages[-1].tool_calls %}{{ raise_exception('no result') }}{% endif %}<｜tool▁sep｜>"
    calls = "{% for c in m.tool_calls or [] %}{{ c.function.name ~ c.function.arguments | tojson }}{% endfor %}"
    learnt = template(last + SAY.replace("{% endfor %}", calls + "{% endfor %}"))
    assert learnt.tool_use is ToolUse.SPOKEN
    assert '<tool_call>\n{"name": "f", "arguments": {}}' in learnt.write(called("{}"))


def test_past_calls_are_spoken_without_tools_too() -> None:
    assert "<tool_response>\nok\n</tool_response>" in form("no_system").write(called("{}"))


def test_a_template_that_tells_hermes_tools_but_writes_no_calls() -> None:
    """Falcon H1's form: the calls would be lost, and the results stand alone."""
    learnt = template("{% if tools %}<tool_call>{{ tools | tojson }}{% endif %}" + SAY)
    assert learnt.tool_use is ToolUse.NATIVE
    written = learnt.write(replace(called('{"a": 1}'), tools=(Tool("f"),)))
    assert 'assistant:<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>;tool:ok;' in written


# ------------------------------------------------------------------ the edges of a conversation
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "messages",
    [
        (said("system", "a"),),
        (said("user"),),
        (said("user", ""), said("assistant", "b")),
        (said("assistant", "a"), said("user", "b", name="ana")),
        (said("user", "a"), said("assistant", "b", reasoning="hm"), said("user", "c")),
        (said("user", "a"), said("assistant", reasoning="hm"), said("user", "c")),
        (said("system", "a"), said("system", "b"), said("assistant", "c"), said("system", "d")),
        (said("tool", "orphan", tool_call_id="x"), said("user", "a")),
        (said("user", "a"), said("tool", "1", tool_call_id="x"), said("tool", "2", tool_call_id="x")),
    ],
)
def test_no_form_refuses(name: str, messages: tuple[ChatMessage, ...]) -> None:
    written = form(name).write(Prompt(messages, tools=(WEATHER,)))
    for message in messages:
        assert all(part.text in written for part in message.content if isinstance(part, TextPart))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("before", [said("assistant", "a"), said("system", "s"), said("user", "b")])
def test_the_last_message_is_continued(name: str, before: ChatMessage) -> None:
    messages = (said("system", "s"), said("user", "u"), before, said("assistant", "Once upon"))
    written = form(name).write(Prompt(messages, continue_final_message=True, tools=(WEATHER,)))
    assert written.endswith("Once upon")


# ------------------------------------------------------------------ media
def test_media_keep_their_order_in_a_folded_turn() -> None:
    learnt = template(PARTS)
    see = ChatMessage("user", (MediaPart("image", 1), TextPart("see"), MediaPart("video", 0)))
    folded = learnt.fold(Prompt((said("system", "Be brief."), see)))
    assert [part.blob for part in folded.messages[0].content if isinstance(part, MediaPart)] == [1, 0]
    assert learnt.render(folded, learnt.shapes(folded, media=True)) == "[user]Be brief.<image>see<video>"


@pytest.mark.parametrize("text", [SAY, PARTS])
def test_a_model_of_text_refuses_media(text: str) -> None:
    with pytest.raises(InvalidRequest, match="reads text only, not image"):
        template(text).write(Prompt((ChatMessage("user", (MediaPart("image", 0),)),)))


# ------------------------------------------------------------------ what is said
def test_what_was_folded_is_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "templates")
    learnt = form("no_system")
    learnt.write(Prompt((said("system", "secret words"), said("user", "hi"))))
    learning, folding = (record.facts for record in caplog.records)  # type: ignore[attr-defined]
    assert learning["needs"].startswith("system, systems, later_system")
    assert folding == {"steps": "system messages into user turns"}
    caplog.clear()
    learnt.write(Prompt((said("user", "hi"),)))
    assert caplog.records == []


def test_a_model_without_a_template_has_nothing_to_learn() -> None:
    learnt = ChatTemplate(tokenizer_with(None), None)
    prompt = Prompt((said("system", "a"),), tools=(WEATHER,))
    assert learnt.fold(prompt) is prompt
    with pytest.raises(InvalidRequest, match="no chat template"):
        learnt.write(prompt)
