"""What is learnt of templates by asking them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.templates import form, template
from workers.generation.templates.traits import Calls, TemplateTraits, ToolUse, tool_use

SAY = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
PAIRS = ("loose_results", "calls_beside_text", "media_results")
STRICT = ("systems", "later_system", "repeated_user", "repeated_assistant", "assistant_first")


@pytest.mark.parametrize(
    ("name", "use", "needs"),
    [
        ("takes_all", ToolUse.NATIVE, {"media_results"}),
        ("no_system", ToolUse.SPOKEN, {"system", *STRICT, "userless", "tools", "calls"}),
        ("alternating", ToolUse.NATIVE, {*STRICT, *PAIRS, "userless", "text_arguments", "any_call_id", "bridge"}),
        ("single_calls", ToolUse.NATIVE, {"text_arguments", "parallel_calls", "calls_beside_text", "loose_results"}),
        (
            "strict_results",
            ToolUse.NATIVE,
            {
                "system",
                "systems",
                "assistant_first",
                "userless",
                *PAIRS,
                "text_arguments",
                "any_call_id",
                "later_system",
            },
        ),
        ("text_arguments", ToolUse.DESCRIBED, {"tools", "object_arguments", "media_results", "calls_beside_text"}),
        ("object_arguments", ToolUse.NATIVE, {"systems", "later_system", "text_arguments", "media_results"}),
    ],
)
def test_forms_of_families(name: str, use: ToolUse, needs: set[str]) -> None:
    found = form(name)
    assert found.tool_use is use
    assert set(found.plain.needs) == needs


def test_a_template_may_differ_where_there_are_tools() -> None:
    """The second message is written as the user's, whatever its role, where the tools stand before it."""
    found = form("single_calls")
    assert (found.plain.systems, found.tooled.systems) == (True, False)
    by_name = template({"default": SAY, "tool_use": "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}"
                        "{% endif %}" + SAY})  # fmt: skip
    assert (by_name.plain.system, by_name.tooled.system) == (True, False)


def calls_as(spelling: str, before: str = "") -> str:
    calls = "{% for c in m.tool_calls or [] %}{{ c.function.name }}" + spelling + "{% endfor %}"
    return "{% for m in messages %}" + before + "{{ m.role }}:{{ m.content }}" + calls + "\n{% endfor %}"


@pytest.mark.parametrize(
    ("spelling", "objects", "texts"),
    [
        ("{{ c.function.arguments | tojson }}", True, False),
        ("{{ c.function.arguments }}", False, True),  # Python's spelling of an object is no JSON
        ("{{ '' + c.function.arguments }}", False, True),
        ("{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %}", True, False),
        ("{% set a = c.function.arguments %}{{ a if a is string else a | tojson }}", True, True),
    ],
)
def test_how_arguments_are_wanted(spelling: str, objects: bool, texts: bool) -> None:
    found = template(calls_as(spelling)).plain
    assert (found.calls, found.object_arguments, found.text_arguments) == (Calls.RENDERED, objects, texts)


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("{{ tools | tojson }}" + SAY, True),
        ("{% if messages[0].role == 'system' %}{{ tools | tojson }}{% endif %}" + SAY, True),
        ("{{ 'You have tools.' if tools }}" + SAY, False),
        ("{% for t in tools or [] %}{{ t.function.name }}{% endfor %}" + SAY, False),
    ],
)
def test_whether_tools_are_told(text: str, tools: bool) -> None:
    assert template(text).tooled.tools == tools


def test_what_becomes_of_calls_that_a_template_does_not_write() -> None:
    assert template(SAY).plain.calls is Calls.RESULTS_ONLY
    assert (
        template("{% for m in messages if m.role != 'tool' %}{{ m.content }}{% endfor %}").plain.calls is Calls.DROPPED
    )
    refusing = "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('?') }}{% endif %}{{ m.content }}"
    assert template(refusing + "{% endfor %}").plain.calls is Calls.REFUSED


def test_what_stands_around_calls() -> None:
    text_or_calls = (
        "{% for m in messages %}{% if m.content %}{{ m.role }}:{{ m.content }}{% else %}"
        "{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
        "{% endif %}{% endfor %}"
    )
    assert not template(text_or_calls).plain.calls_beside_text
    absent = calls_as(
        "{{ c.function.arguments | tojson }}",
        "{% if m.tool_calls and m.content is defined %}{{ raise_exception('content beside calls') }}{% endif %}",
    )
    assert template(absent).plain.no_content
    assert template(calls_as("{{ c.function.arguments | tojson }}")).plain.calls_beside_text


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("m.tool_call_id is defined and m.tool_call_id | length < 9", False),
        ("m.tool_call_id is defined and ':' in m.tool_call_id", False),
        ("m.role == 'nobody'", True),
    ],
)
def test_call_ids_of_every_shape(condition: str, kept: bool) -> None:
    refusing = "{% if " + condition + " %}{{ raise_exception('a bad id') }}{% endif %}"
    assert template(calls_as("{{ c.function.arguments | tojson }}", refusing)).plain.any_call_id == kept


def test_a_system_text_that_only_the_first_turn_shows() -> None:
    shown = "{% for m in messages if m.role != 'system' or messages[-1].role == 'user' %}{{ m.content }}"
    calls = "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}{% endfor %}"
    assert not template(shown + calls).plain.system


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (SAY, True),
        (
            "{{ raise_exception('No user query') if not messages | selectattr('role', 'eq', 'user') | list }}" + SAY,
            False,
        ),
        ("{{ tools | tojson if messages | selectattr('role', 'eq', 'user') | list }}" + SAY, False),
    ],
)
def test_conversations_without_a_user(text: str, kept: bool) -> None:
    assert template(text).tooled.userless == kept


@pytest.mark.parametrize("name", ["{{ m.name }}", "{{ 'of ' + m.name }}"])
def test_results_that_are_known_by_the_name_of_their_tool(name: str) -> None:
    plain = calls_as("{{ c.function.arguments | tojson }}")
    assert template(plain).plain.nameless_results
    wanting = template(plain.replace("{{ m.role }}", "{% if m.role == 'tool' %}" + name + "{% endif %}")).plain
    assert (wanting.calls, wanting.nameless_results) == (Calls.RENDERED, False)


def test_what_the_assistant_says_between_a_result_and_a_user() -> None:
    bridged = (
        "{% for m in messages %}{% if m.role == 'user' and loop.index0 and messages[loop.index0 - 1].role == 'tool' %}"
        "{{ raise_exception('user after tool') }}{% endif %}%s{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}{% endfor %}"
    )
    assert template(bridged.replace("%s", "")).plain.bridge == ""
    no_empty = (
        "{% if m.role == 'assistant' and not (m.content or m.tool_calls) %}{{ raise_exception('empty') }}{% endif %}"
    )
    found = template(bridged.replace("%s", no_empty)).plain
    assert (found.bridge, found.empty_assistant) == ("OK.", False)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SAY, False),
        ("{{ tools[0].type }}" + SAY, False),
        ("{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}", True),
        ("{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}", True),
        ("{{ raise_exception('never') }}", False),
        ("always the same", False),
    ],
)
def test_whether_content_has_to_be_parts(text: str, parts: bool) -> None:
    assert template(text).plain.parts == parts


@pytest.mark.parametrize("text", ["{{ raise_exception('never') }}", "always the same", None])
def test_a_template_that_cannot_be_asked_is_given_all(text: Any) -> None:
    assert template(text).plain == TemplateTraits()


def test_media_in_results() -> None:
    parts = (
        "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}"
        "{% elif m.role != 'tool' or pictures %}<image>{% endif %}{% endfor %}"
        "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}{% endfor %}"
    )
    assert template("{% set pictures = true %}" + parts).plain.media_results
    assert not template(parts).plain.media_results


@pytest.mark.parametrize(
    ("known", "tools", "calls", "expected"),
    [
        (True, True, Calls.RENDERED, ToolUse.NATIVE),
        (True, True, Calls.RESULTS_ONLY, ToolUse.NATIVE),
        (True, False, Calls.RENDERED, ToolUse.DESCRIBED),
        (True, False, Calls.RESULTS_ONLY, ToolUse.SPOKEN),
        (True, True, Calls.DROPPED, ToolUse.SPOKEN),
        (True, True, Calls.REFUSED, ToolUse.SPOKEN),
        (False, True, Calls.RENDERED, ToolUse.SPOKEN),
    ],
)
def test_how_tools_reach_a_model(known: bool, tools: bool, calls: Calls, expected: ToolUse) -> None:
    assert tool_use(TemplateTraits(tools=tools, calls=calls), known) is expected


def test_tools_that_are_told_in_a_first_user_turn_alone() -> None:
    told = "{{ tools | tojson if messages[0].role in ('user', 'system') }}" + SAY
    found = template(told).tooled
    assert (found.tools, found.assistant_first, found.userless) == (True, False, False)
    assert template(SAY).tooled.assistant_first


def test_tools_that_are_told_in_a_system_message_alone() -> None:
    told = "{% if messages[0].role == 'system' %}{{ tools | tojson if tools }}{% endif %}" + SAY
    assert not template(told).tooled.systemless_tools
    assert template("{{ tools | tojson if tools }}" + told).tooled.systemless_tools
