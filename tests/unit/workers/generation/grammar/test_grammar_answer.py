from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.messages import ChatMessage, Generate, Grammar, Prompt, Tool
from workers.generation.grammar.answer import Bound, bind, parts_of, regex_to_lark_rule
from workers.generation.reasoning.families import FORMATS

CHAT = (ChatMessage("user"),)
CITY = '{"type": "object", "properties": {"city": {"type": "string", "title": "City"}}}'
A, B = Tool("a", None, CITY), Tool("b", None, CITY, strict=True)
RED = Grammar("choice", '["red"]')


class Calls:
    """A family whose grammar says what it was asked for."""

    name = "fake"
    markers = ("<call>",)

    def reader(self, tools: Sequence[Tool]) -> Any:
        raise NotImplementedError

    def grammar(self, tools: Sequence[Tool], spell: Any, *, required: bool, parallel: bool) -> str:
        self.asked = ([tool.name for tool in tools], required, parallel)
        self.schemas = [json.loads(tool.parameters) for tool in tools]
        return f"answer: {spell('<call>')}\n"


def bound(work: Generate, calls: Calls | None = None, reasoning: str | None = None, end: str = "x") -> Bound | None:
    return bind(work, FORMATS[reasoning] if reasoning else None, calls, end, lambda marker: f'"{marker}"')


def asked(*tools: Tool, **more: Any) -> Generate:
    return Generate("r", Prompt(messages=CHAT, tools=tools), **more)


def grammars(found: Bound | None) -> dict[str, str]:
    assert found is not None
    return {one["name"]: one["lark_grammar"] for one in json.loads(found.text)["grammars"]}


def test_what_binds_nothing() -> None:
    assert bound(asked()) is None
    assert bound(asked(A), Calls()) is None
    assert bound(asked(A, callable_tools=("a",)), Calls()) is None
    assert bound(asked(B)) is None  # no format: the engine refuses it, or nobody parses


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (asked(A, B, tool_choice="required"), (["a", "b"], True, True)),
        (asked(A, B, tool_choice="required", parallel_tool_calls=False), (["a", "b"], True, False)),
        (asked(A, B, tool_choice="required", callable_tools=("b",)), (["b"], True, True)),
        (asked(A, B), (["a", "b"], False, True)),
        (asked(A, A, callable_tools=("a",), tool_choice="required"), (["a", "a"], True, True)),
        (asked(A, Tool("c"), callable_tools=("a",)), (["a"], False, True)),
        (asked(A, grammar=RED), (["a"], True, True)),
    ],
)
def test_what_calls_are_asked_for(work: Generate, expected: tuple[list[str], bool, bool]) -> None:
    calls = Calls()
    assert bound(work, calls) is not None
    assert calls.asked == expected


def test_schemas_that_bind_are_normalised_and_others_left_alone() -> None:
    calls = Calls()
    found = bound(asked(A, B), calls)
    assert found is not None
    assert calls.schemas[0]["properties"]["city"]["title"] == "City"
    assert calls.schemas[1]["properties"]["city"] == {"type": "string"}
    (part,) = parts_of(asked(A, B), calls, str)
    assert (part.param, part.tool, part.strict) == ("tools[1].function.parameters", "b", True)


def test_text_or_calls_are_rows_of_their_own() -> None:
    found = grammars(bound(asked(A, grammar=RED), Calls(), "think"))
    assert list(found) == ["row", "calls", "text"]
    assert found["row"] == "start: @calls | @text"
    assert "thought?" in found["calls"]
    assert "thought?" in found["text"]


def test_required_calls_leave_the_grammar_out() -> None:
    found = grammars(bound(asked(A, tool_choice="required", grammar=RED), Calls()))
    assert list(found) == ["row"]
    assert "red" not in found["row"]


def test_a_thought_stands_in_front_where_the_prompt_is_a_chat_or_has_opened_one() -> None:
    plain = Generate("r", Prompt(text="x"), grammar=RED)
    assert grammars(bound(plain, None, "think"))["row"].startswith("start: answer")
    assert grammars(bound(plain, None, "think", "<think>\n"))["row"].startswith("start: thought_body")
    assert grammars(bound(asked(grammar=RED), None, "think"))["row"].startswith("start: thought?")


def test_lark_keeps_its_own_names() -> None:
    found = grammars(bound(asked(grammar=Grammar("lark", 'start: answer\nanswer: "x"')), None, "think"))
    assert found["lark"] == 'start: answer\nanswer: "x"'
    assert "answer: @lark" in found["row"]


@pytest.mark.parametrize("work", [asked(A, callable_tools=("x",)), asked(callable_tools=("x",))])
def test_tools_that_are_not_there_cannot_be_called(work: Generate) -> None:
    with pytest.raises(InvalidRequest, match="'x'") as found:
        bound(work, Calls())
    assert found.value.param == "tool_choice"


def test_regexes_as_lark() -> None:
    assert regex_to_lark_rule("") == '""'
    assert regex_to_lark_rule("a/b") == r"/a\/b/"
