"""Answers as models write them, and what is read from them, however they are split. The data is one file a family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import Tool
from tests.fakes.call_pieces import calls_of, read, text_of
from workers.generation.calls.detect import FORMATS, by_name
from workers.generation.calls.format import Arguments, CallBegins, CallEnds, CallFormat, Text

DATA = Path(__file__).parents[4] / "data" / "calls"
NAMES = [fmt.name for fmt in FORMATS]
TOOLS = tuple(
    Tool(tool["name"], parameters=json.dumps(tool["parameters"]))
    for tool in json.loads((DATA / "tools.json").read_text("utf-8"))
)


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return found


def test_every_family_has_vectors_and_a_name_of_its_own() -> None:
    assert sorted({*NAMES, "tools"}) == sorted(path.stem for path in DATA.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_whole_and_in_every_split(name: str) -> None:
    fmt = by_name(name)
    for vector in vectors(name):
        text, pieces = vector["text"], vector["pieces"]
        assert read(fmt, TOOLS, [text]) == pieces, vector["note"]
        assert read(fmt, TOOLS, list(text)) == pieces, vector["note"]
        for at in range(1, len(text)):
            assert read(fmt, TOOLS, [text[:at], text[at:]]) == pieces, (vector["note"], text[:at])


@pytest.mark.parametrize("name", NAMES)
def test_whole_calls_have_an_object_and_broken_ones_have_none(name: str) -> None:
    calls = [call for vector in vectors(name) for call in calls_of(vector["pieces"])]
    assert any(whole for *_, whole in calls)
    for _, arguments, whole in calls:
        try:
            parsed = json.loads(arguments)
        except ValueError:
            parsed = None
        assert isinstance(parsed, dict) == whole, arguments


def test_the_name_comes_at_once_and_arguments_as_they_come() -> None:
    reader = by_name("hermes").reader(TOOLS)
    assert reader.feed('<tool_call>\n{"name": "get_weather"') == [CallBegins("get_weather")]
    assert reader.feed(', "arguments": {"city": "Pa') == [Arguments('{"city": "Pa')]
    assert reader.feed('ris", "da') == [Arguments('ris", "da')]
    assert reader.feed('ys": 1}') == [Arguments('ys": 1}'), CallEnds()]
    assert reader.feed("}\n</tool_call>") == reader.finish() == []


def test_a_string_between_tags_comes_as_it_is_generated() -> None:
    reader = by_name("qwen3_coder").reader(TOOLS)
    begun = reader.feed("<tool_call>\n<function=write_file>\n<parameter=content>\n")
    assert begun[0] == CallBegins("write_file")
    assert reader.feed('say "hi"\n') == [Arguments('say \\"hi\\"')]
    assert reader.feed("</param>") == [Arguments("\\n</param>")]


def test_text_that_cannot_become_a_marker_is_not_held() -> None:
    reader = by_name("hermes").reader(TOOLS)
    assert reader.feed("a < b <tool") == [Text("a < b ")]
    assert reader.feed("box>") == [Text("<toolbox>")]


_FRAGMENTS = sorted(
    {
        *(mark for fmt in FORMATS for mark in fmt.markers),
        *"{}[]()\"'\\,:;=<>/ \n\t-1.e|@aé東",
        *("now", "get_weather", "city", "name", "arguments", "parameters", "function", "null", "True", "\\u00", "to="),
        *('{"name": "now", "arguments": {', '"name": "', "call:now{", "now(", "now\n", "functions.now:0", "all\n"),
        *("<parameter=city>", ' name="city">', "```json\n", "<![CDATA[", "]]>", "commentary to=functions.now"),
    }
)
_ANSWERS = st.lists(st.one_of(st.sampled_from(_FRAGMENTS), st.text(max_size=5)), max_size=25).map("".join)


@pytest.mark.parametrize("fmt", FORMATS, ids=NAMES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(answer=_ANSWERS, data=st.data())
def test_any_text_is_read_alike_in_any_split(fmt: CallFormat, answer: str, data: st.DataObject) -> None:
    whole = read(fmt, TOOLS, [answer])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=4)))
    parts = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    assert read(fmt, TOOLS, parts) == whole
    assert read(fmt, TOOLS, list(answer)) == whole
    for _, arguments, done in calls_of(whole):
        assert not done or isinstance(json.loads(arguments), dict)
    if not calls_of(whole) and fmt.name != "functionary":  # it takes the `all` that stands before text
        assert text_of(whole) == answer


@pytest.mark.parametrize("fmt", FORMATS, ids=NAMES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(answer=_ANSWERS)
def test_no_word_is_lost(fmt: CallFormat, answer: str) -> None:
    """Text around a call's place, and a broken call's content, come out as text or as arguments."""
    marked = f"Ω1{answer}Ω2{answer}Ω3"
    found = "".join(
        f"{piece.get('text', '')}{piece.get('call', '')}{piece.get('arguments', '')}"
        for piece in read(fmt, TOOLS, [marked])
    )
    assert [found.count(word) for word in ("Ω1", "Ω3")] == [1, 1]
