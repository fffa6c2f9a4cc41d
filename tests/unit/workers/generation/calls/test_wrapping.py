from __future__ import annotations

import json

import pytest

from shared.messages import Tool
from workers.generation.calls.wrapping import Wrapping

TOOL = Tool("f", parameters=json.dumps({"properties": {"city": {"type": "string"}, "input": {}}}))


def told(tool: Tool | None, text: str) -> str:
    """Whole, and the same by the character."""
    whole, single = Wrapping(tool), Wrapping(tool)
    found = whole.add(text) + whole.end()
    assert "".join(single.add(char) for char in text) + single.end() == found
    return found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('{"arguments": {"city": "Oslo"}}', '{"city": "Oslo"}'),
        ('{ "arguments" : { "city": "Oslo" } }', '{ "city": "Oslo" }'),
        ('{"parameters": "{\\"city\\": \\"Oslo\\"}"}', '{"city": "Oslo"}'),
        ('{"arguments": {}}', "{}"),
    ],
)
def test_an_object_that_the_tool_does_not_know_is_taken_off(written: str, found: str) -> None:
    assert told(TOOL, written) == found


@pytest.mark.parametrize(
    "written",
    [
        '{"city": "Oslo"}',
        '{"input": {"city": "Oslo"}}',
        '{"arguments": {"town": "Oslo"}}',
        '{"arguments": {"city": "Oslo"}, "city": "Rome"}',
        '{"arguments": {"city": "Oslo"}, "arguments": {"city": "Rome"}}',
        '{"arguments": ["city"]}',
        '{"arguments": "Oslo"}',
        '{"other": {"city": "Oslo"}}',
        "{}",
    ],
)
def test_anything_else_stays(written: str) -> None:
    assert told(TOOL, written) == written


def test_without_known_arguments_nothing_is_taken_off() -> None:
    written = '{"arguments": {"city": "Oslo"}}'
    assert told(None, written) == told(Tool("f", parameters="{}"), written) == written


def test_only_what_begins_like_it_is_held() -> None:
    wrapping = Wrapping(TOOL)
    assert [wrapping.add(text) for text in ('{"a', "r", 'ea": ', '"x')] == ["", "", '{"area": ', '"x']


def test_what_was_held_of_a_broken_call_is_told_as_written() -> None:
    wrapping = Wrapping(TOOL)
    assert wrapping.add('{"arguments": {"city": "Os') == ""
    assert wrapping.rest() == '{"arguments": {"city": "Os'
