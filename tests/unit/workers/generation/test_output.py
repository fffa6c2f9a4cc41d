from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import ChoiceFinished, Delta, ReasoningDelta, Sampling, TextDelta, TokenLogprob, ToolCallDelta
from tests.text_driver import WEATHER
from workers.generation.calls.detect import by_name
from workers.generation.output import RowOutput
from workers.generation.reasoning.families import FORMATS
from workers.generation.stops import StopStrings
from workers.platform.sampling import resolve

EOS = 5000
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'


class Script:
    """A detokenizer whose token n is the nth of some pieces."""

    def __init__(self, pieces: list[str], rest: str) -> None:
        self.pieces = pieces
        self.rest = rest

    def add(self, token: int) -> str:
        return self.pieces[token]

    def finish(self) -> str:
        return self.rest


@dataclass
class Told:
    text: str = ""
    reasoning: str = ""
    calls: list[ToolCallDelta] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finished: ChoiceFinished | None = None
    reasoning_tokens: int = 0

    def take(self, delta: Delta) -> None:
        assert self.finished is None
        match delta:
            case TextDelta():
                self.text += delta.text
            case ReasoningDelta():
                self.reasoning += delta.text
            case ToolCallDelta():
                self._call(delta)
            case ChoiceFinished():
                self.finished = delta
        if isinstance(delta, TextDelta | ReasoningDelta):
            self.tokens.extend(delta.tokens)
            self.logprobs.extend(delta.logprobs)

    def _call(self, delta: ToolCallDelta) -> None:
        """A call's name and id come once, then its arguments in pieces."""
        if delta.call == len(self.calls):
            assert delta.id
            assert delta.name
            self.calls.append(delta)
        else:
            assert (delta.call, delta.id, delta.name) == (len(self.calls) - 1, None, None)
            whole = self.calls[-1]
            self.calls[-1] = replace(whole, arguments=whole.arguments + delta.arguments, broken=delta.broken)


def told(
    pieces: list[str],
    *,
    end: bool = True,
    rest: str = "",
    thinking: bool = False,
    reasoning: str | None = "think",
    calls: str | None = "hermes",
    single: bool = False,
    forced: bool = False,
    **sampling: Any,
) -> Told:
    """What a client learns of `pieces`, then EOS (`end`) or a limit that the last piece reaches."""
    limit = {} if end else {"max_tokens": len(pieces)}
    output = row(pieces, rest, thinking, reasoning, calls, single, forced, **(limit | sampling))
    found = Told()
    for produced, token in enumerate([*range(len(pieces)), *([EOS] if end else [])], start=1):
        for delta in output.push(token, TokenLogprob(token, "", b"", -1.0), produced):
            found.take(delta)
        if found.finished is not None:
            break
    found.reasoning_tokens = output.reasoning_tokens
    return found


def row(
    pieces: list[str],
    rest: str = "",
    thinking: bool = False,
    reasoning: str | None = "think",
    calls: str | None = "hermes",
    single: bool = False,
    forced: bool = False,
    **sampling: Any,
) -> RowOutput:
    params = resolve(Sampling(**sampling), defaults={}, vocab_size=6000, eos=frozenset({EOS}), room=1000)
    return RowOutput(
        "r",
        0,
        params,
        Script([*pieces, ""], rest),
        FORMATS[reasoning].reader(thinking) if reasoning else None,
        by_name(calls).reader((WEATHER,)) if calls else None,
        frozenset({EOS}),
        single=single,
        forced=forced,
        ends={EOS: "<|call|>"} if reasoning == "harmony" else {},
        unclosed=by_name(calls).reader((WEATHER,)) if calls else None,
    )


def reason(found: Told) -> tuple[str, str | int | None]:
    assert found.finished is not None
    return found.finished.reason, found.finished.stop


def cut_at(text: str, places: list[int]) -> list[str]:
    marks = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in pairwise(marks)]


cuts = st.lists(st.integers(0, 10_000), max_size=30)


# ------------------------------------------------------------------ stop strings
@pytest.mark.parametrize(
    ("pieces", "stops", "include", "expected"),
    [
        (["hello ", "wor", "ld!"], ("world",), False, ("hello ", "world")),
        (["hello ", "wor", "ld!"], ("world",), True, ("hello world", "world")),
        (["a", "b", "c", "d"], ("bcd", "c"), False, ("ab", "c")),
        (["abcd"], ("bc", "b", "bcd"), False, ("a", "bcd")),  # same place: the longest
        (["aab"], ("ab",), False, ("a", "ab")),
        (["a", "a", "b"], ("ab",), False, ("a", "ab")),
        (["END"], ("END",), False, ("", "END")),
        (["xEN", "Dy"], ("END",), True, ("xEND", "END")),
        (["no", "thing"], ("nope",), False, ("nothing", None)),
        (["almost EN"], ("END",), False, ("almost EN", None)),
    ],
)
def test_stop_strings(
    pieces: list[str], stops: tuple[str, ...], include: bool, expected: tuple[str, str | None]
) -> None:
    found = told(pieces, stop=stops, include_stop_str_in_output=include)
    assert (found.text, reason(found)) == (expected[0], ("stop", expected[1]))


@given(st.text("abc", max_size=14), st.lists(st.text("abc", min_size=1, max_size=3), max_size=3), cuts)
def test_stop_strings_dont_care_how_text_arrives(text: str, stops: list[str], places: list[int]) -> None:
    pieces, out, met = StopStrings(stops, include=False), "", None
    for piece in cut_at(text, places):
        new, met = pieces.feed(piece)
        out += new
        if met is not None:
            break
    else:
        out += pieces.rest()
    # Whichever ends first has to win: what follows isn't known yet.
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        assert (out, met) == (text, None)
    else:
        assert met is not None
        assert text.startswith(out + met)
        assert not any(stop in out for stop in stops)


def test_held_back_text_is_released_at_the_limit() -> None:
    found = told(["one <thi", "nk"], end=False, stop=("nk!",))
    assert (found.text, reason(found)) == ("one <think", ("length", None))


def test_a_character_cut_by_the_limit_is_told() -> None:
    found = told(["a", ""], rest="\ufffd", end=False)
    assert (found.text, reason(found)) == ("a\ufffd", ("length", None))


def test_a_stop_string_that_the_end_completes_counts() -> None:
    found = told(["a<", ""], rest="/", end=False, stop=("</",))
    assert (found.text, reason(found)) == ("a", ("stop", "</"))


def test_stop_strings_look_at_the_answer_only() -> None:
    found = told(["<think>", "END in", "</think>", "so END it"], stop=("END",))
    assert (found.reasoning, found.text) == ("END in", "so ")
    assert reason(found) == ("stop", "END")


# ------------------------------------------------------------------ reasoning
@settings(max_examples=60)
@given(places=cuts, opened=st.booleans())
def test_reasoning_and_answer_whatever_the_pieces(places: list[int], opened: bool) -> None:
    whole = "\nI think\n\nso.\n</think>\n\nYes < no\nindeed.\n"
    found = told(cut_at(whole if opened else "<think>" + whole, places), thinking=opened)
    assert found.reasoning == "I think\n\nso."
    assert found.text == "Yes < no\nindeed.\n"
    assert reason(found) == ("stop", None)


def test_newlines_of_an_answer_without_a_thought_stay() -> None:
    assert told(["\n", "\nhi\n"]).text == "\n\nhi\n"


def test_tokens_of_a_thought_are_counted() -> None:
    assert told(["<think>", "a", "b", "</think>", "c"]).reasoning_tokens == 3
    assert told(["a", "b", "</think>", "c"], thinking=True).reasoning_tokens == 3
    assert told(["a", "b"]).reasoning_tokens == 0


def test_a_thought_cut_by_the_limit_stays_a_thought() -> None:
    found = told(["<think>", "a", "b</thi"], end=False)
    assert (found.reasoning, found.text, reason(found)) == ("ab</thi", "", ("length", None))


def test_nothing_is_parsed_where_nothing_is_wanted() -> None:
    whole = f"<think>\na</think>\n{CALL}"
    assert told([whole], reasoning=None, calls=None).text == whole


# ------------------------------------------------------------------ tool calls
@settings(max_examples=40)
@given(places=cuts)
def test_a_call_whatever_the_pieces(places: list[int]) -> None:
    found = told(cut_at(f"<think>\nhm\n</think>\n\nLook:{CALL}", places))
    assert (found.reasoning, found.text) == ("hm", "Look:")
    (call,) = found.calls
    assert (call.call, call.name, json.loads(call.arguments)) == (0, "get_weather", {"city": "Zürich"})
    assert call.id
    assert reason(found) == ("tool_calls", None)


@settings(max_examples=40)
@given(places=cuts, end=st.booleans())
def test_harmony_whatever_the_pieces(places: list[int], end: bool) -> None:
    whole = (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>Look:<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
        '{"city": "Zürich"}'
    )
    pieces = cut_at(whole if end else whole + "<|call|>", places)
    found = told(pieces, end=end, reasoning="harmony", calls="harmony")
    assert (found.reasoning, found.text) == ("hm", "Look:")
    assert [(call.name, call.arguments) for call in found.calls] == [("get_weather", '{"city": "Zürich"}')]
    assert reason(found) == ("tool_calls" if end else "length", None)


def test_two_calls_are_numbered_and_named_apart() -> None:
    found = told([CALL, "\n", CALL, "\n"])
    assert [call.call for call in found.calls] == [0, 1]
    assert len({call.id for call in found.calls}) == 2
    assert (found.text, reason(found)) == ("", ("tool_calls", None))


@given(places=st.lists(st.integers(0, 300), max_size=8))
def test_a_request_for_a_single_call_ends_with_it(places: list[int]) -> None:
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "%s"}}\n</tool_call>'
    found = told(cut_at("Let me see." + call % "Rome" + "\n" + call % "Oslo", places), single=True)
    assert [call.arguments for call in found.calls] == ['{"city": "Rome"}']
    assert found.text == "Let me see."
    assert reason(found) == ("tool_calls", None)


@pytest.mark.parametrize("inside", ["{not json", '{"arguments": {}}', '{"name": ""}', "[]x", "17"])
def test_what_is_no_call_stays_text_with_its_markers(inside: str) -> None:
    found = told(["a<tool", f"_call>{inside}</tool", "_call>b"])
    assert (found.text, found.calls) == (f"a<tool_call>{inside}</tool_call>b", [])
    assert reason(found) == ("stop", None)


def test_a_call_cut_by_the_limit_stays_text() -> None:
    found = told(["a", "<tool_call>", '{"name": "get', "</tool_"], end=False)
    assert (found.text, found.calls) == ('a<tool_call>{"name": "get</tool_', [])
    assert reason(found) == ("length", None)


def test_text_that_was_held_comes_before_a_call_that_is_none() -> None:
    found = told(["an EN", "<tool_call>oops</tool_call>", "!"], stop=("END",))
    assert found.text == "an EN<tool_call>oops</tool_call>!"


def test_a_stop_string_in_a_call_that_is_none_counts() -> None:
    found = told(["<tool_call>oops END</tool_call>", "more"], stop=("END",))
    assert (found.text, reason(found)) == ("<tool_call>oops ", ("stop", "END"))


def test_a_finished_call_before_the_limit_is_a_call() -> None:
    found = told([CALL], end=False)
    assert (len(found.calls), reason(found)) == (1, ("length", None))


def test_a_call_is_told_as_it_is_written() -> None:
    pieces = ["Hm.\n", '<tool_call>\n{"name": "get_weather"', ', "arguments": {"city": "Be', 'rn"}}\n</tool_call>']
    output = row(pieces)
    told = [output.push(token, None, token + 1) for token in range(len(pieces))]
    kinds = [[type(delta) for delta in deltas] for deltas in told]
    assert kinds == [[TextDelta], [ToolCallDelta], [ToolCallDelta], [ToolCallDelta]]
    assert [delta.name for (delta,) in told[1:] if isinstance(delta, ToolCallDelta)] == ["get_weather", None, None]
    arguments = [delta.arguments for (delta,) in told[1:] if isinstance(delta, ToolCallDelta)]
    assert arguments == ["", '{"city": "Be', 'rn"}']


def test_a_call_that_the_limit_cuts_says_so() -> None:
    found = told(['<tool_call>{"name": "get_weather", "arguments": {"ci'], end=False)
    assert [(call.name, call.arguments) for call in found.calls] == [("get_weather", '{"ci')]
    assert (found.text, reason(found)) == ("", ("length", None))


def test_the_newline_before_a_call_is_the_templates() -> None:
    assert told(["Look:\n", CALL, "\n\nSo.\n"]).text == "Look:So.\n"
    assert told(["Look:\n\n"]).text == "Look:\n\n"


@settings(max_examples=40)
@given(places=cuts)
def test_thoughts_between_calls(places: list[int]) -> None:
    first, second = f"<think>\none\n</think>\n\nLook:\n{CALL}\n", f"<think>\ntwo\n</think>\n\nAgain:\n{CALL}\n"
    found = told(cut_at(f"{first}{second}<think>three</think>So.", places))
    assert (found.reasoning, found.text) == ("onetwothree", "Look:Again:So.")
    assert len(found.calls) == 2
    assert reason(found) == ("tool_calls", None)


def test_a_call_inside_a_thought_is_a_thought() -> None:
    found = told([f"<think>maybe {CALL}</think>No."])
    assert (found.reasoning, found.text, found.calls) == (f"maybe {CALL}", "No.", [])


@settings(max_examples=60)
@given(places=cuts)
def test_the_arguments_of_a_call_may_quote_markers(places: list[int]) -> None:
    call = CALL.replace("Zürich", "<think>x</think> [THINK] <thi")
    found = told(cut_at(f"<think>hm</think>{call}<think>so</think>{call}<think>", places))
    assert [json.loads(one.arguments)["city"] for one in found.calls] == ["<think>x</think> [THINK] <thi"] * 2
    assert (found.reasoning, found.text) == ("hmso", "")


def test_thoughts_count_again_after_a_call_that_broke() -> None:
    found = told(['<tool_call>{"name": "get_weather", "arguments": {"city" oops</tool_call>', "<think>hm</think>So."])
    assert found.reasoning == "hm"
    assert found.text.endswith("So.")


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (CALL, [False]),
        ('<tool_call>{"name": "f", "arguments": {"a": oops}}</tool_call> So.', [True]),
        ('<tool_call>{"name": "f", "arguments": {"a": oops}}</tool_call>' + CALL, [True, False]),
        ('<tool_call>{"name": "f", "arguments": {"a": 1', [True]),
        ('<tool_call>{"name": "f", "arg', [True]),
    ],
)
def test_a_call_without_a_whole_object_is_told_as_broken(answer: str, broken: list[bool]) -> None:
    assert [call.broken for call in told([answer]).calls] == broken
    assert [call.broken for call in told(list(answer)).calls] == broken
    assert [call.broken for call in told(list(answer), end=False).calls] == broken


@pytest.mark.parametrize("after", ["", "\n"])
def test_a_row_may_end_with_a_call_without_closing_its_thought(after: str) -> None:
    found = told(["<think>", "I look.\n", *CALL, "\n", *CALL, after])
    assert [json.loads(call.arguments) for call in found.calls] == [{"city": "Zürich"}] * 2
    assert (found.text, reason(found)) == ("", ("tool_calls", None))
    assert found.reasoning.startswith("I look.")


@pytest.mark.parametrize(
    ("pieces", "end", "expected"),
    [
        (["<think>", CALL, "or not"], True, "stop"),
        (["<think>", CALL], False, "length"),
        (["<think>", CALL[:-15]], True, "stop"),
        (["<think>", CALL, "</think>"], True, "stop"),
        (["<think>", CALL, "</think>", "<think>", "no"], True, "stop"),
    ],
)
def test_other_calls_in_a_thought_are_none(pieces: list[str], end: bool, expected: str) -> None:
    found = told(pieces, end=end)
    assert (found.calls, found.text, reason(found)) == ([], "", (expected, None))


def test_a_stop_string_never_spans_a_call() -> None:
    found = told(["a EN", CALL, "D b"], stop=("END",))
    assert (found.text, len(found.calls), reason(found)) == ("a END b", 1, ("tool_calls", None))


def test_arguments_are_no_text_to_stop_at() -> None:
    assert reason(told([CALL], stop=("Zürich",))) == ("tool_calls", None)


# ------------------------------------------------------------------ calls that have to be made
def forced_call(city: str) -> str:
    return CALL.replace("Zürich", city)


@pytest.mark.parametrize("cut", ["<tool", '<tool_call>\n{"name": "get_'])
def test_a_forced_call_cut_before_its_name_leaves_no_text(cut: str) -> None:
    found = told([cut], forced=True, reasoning=None, max_tokens=1)
    assert (found.text, len(found.calls), reason(found)) == ("", 0, ("length", None))
    assert told([cut], reasoning=None, max_tokens=1).text == cut  # nothing is lost where it may be text


def test_a_later_forced_call_is_told_once_it_is_whole() -> None:
    second = forced_call("Bern")
    found = told([CALL, "\n", second[:-20], second[-20:]], forced=True, reasoning=None)
    assert (len(found.calls), reason(found)) == (2, ("tool_calls", None))
    found = told([CALL, "\n", second[:-30]], forced=True, reasoning=None, max_tokens=3)
    assert (found.text, len(found.calls), reason(found)) == ("", 1, ("length", None))
    assert not found.calls[0].broken  # what was cut is the call that nobody was told of


def test_a_forced_answer_ends_where_a_call_comes_again() -> None:
    found = told(
        [CALL, forced_call("Bern"), CALL.replace(": ", ":"), forced_call("Basel")], forced=True, reasoning=None
    )
    assert (len(found.calls), reason(found)) == (2, ("tool_calls", None))


# ------------------------------------------------------------------ tokens and log-probabilities
@settings(max_examples=60)
@given(places=cuts, end=st.booleans())
def test_every_token_is_told_once(places: list[int], end: bool) -> None:
    pieces = cut_at(f"<think>a</think>b{CALL}c{CALL}", places)
    found = told([*pieces, ""], end=end)
    count = len(pieces) + 1
    assert found.tokens == [*range(count), *([EOS] if end else [])]
    assert [logprob.token for logprob in found.logprobs] == list(range(count))


def test_a_token_that_ends_the_answer_is_no_part_of_its_log_probabilities() -> None:
    found = told(["a", "b"], stop_token_ids=(1,))
    assert (found.text, found.tokens) == ("a", [0, 1])
    assert [logprob.token for logprob in found.logprobs] == [0]
    assert reason(found) == ("stop", 1)


def test_a_stop_token_is_text_until_min_tokens() -> None:
    found = told(["a", "b", "c"], stop_token_ids=(0,), min_tokens=1)
    assert (found.text, reason(found)) == ("abc", ("stop", None))
