from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.tokenizer_utils import load as load_tokenizer

from shared.messages import ChoiceFinished, ReasoningDelta, Sampling, TextDelta, TokenLogprob, ToolCallDelta
from tests.models import write_tokenizer
from tests.text_driver import WEATHER
from workers.generation.output import RowOutput, StopStrings
from workers.generation.segments import Segments
from workers.generation.tools import ToolParser
from workers.platform.sampling import resolve

EOS = 5000
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return load_tokenizer(folder)


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


def told(
    tokenizer: Any,
    pieces: list[str],
    *,
    end: bool = True,
    rest: str = "",
    thinking: bool = False,
    parse: bool = True,
    mistral: bool = False,
    single: bool = False,
    **sampling: Any,
) -> Told:
    """What a client learns of `pieces`, then EOS (`end`) or a limit that the last piece reaches."""
    segments = Segments(tokenizer, True, True)
    machine = segments.machine(parse, parse)
    prompt = tokenizer.encode("<think>\n" if thinking else "x", add_special_tokens=False)
    limit = {} if end else {"max_tokens": len(pieces)}
    params = resolve(Sampling(**(limit | sampling)), defaults={}, vocab_size=6000, eos=frozenset({EOS}), room=1000)
    tools = ToolParser(tokenizer, (WEATHER,), single)
    output = RowOutput(
        "r", 0, params, Script([*pieces, ""], rest), machine, segments.state(machine, prompt), tools, frozenset({EOS})
    )
    found = Told()
    for produced, token in enumerate([*range(len(pieces)), *([EOS] if end else [])], start=1):
        logprob = TokenLogprob(token, "", b"", -1.0)
        for delta in output.push(token, logprob, produced):
            assert found.finished is None
            match delta:
                case TextDelta() | ReasoningDelta():
                    if isinstance(delta, TextDelta):
                        found.text += delta.text
                    else:
                        found.reasoning += delta.text
                    found.tokens.extend(delta.tokens)
                    found.logprobs.extend(delta.logprobs)
                case ToolCallDelta():
                    found.calls.append(delta)
                case ChoiceFinished():
                    found.finished = delta
        if found.finished is not None:
            break
    found.reasoning_tokens = output.reasoning_tokens
    return found


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
    tokenizer: Any, pieces: list[str], stops: tuple[str, ...], include: bool, expected: tuple[str, str | None]
) -> None:
    found = told(tokenizer, pieces, stop=stops, include_stop_str_in_output=include)
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


def test_held_back_text_is_released_at_the_limit(tokenizer: Any) -> None:
    found = told(tokenizer, ["one <thi", "nk"], end=False, stop=("nk!",))
    assert (found.text, reason(found)) == ("one <think", ("length", None))


def test_a_character_cut_by_the_limit_is_told(tokenizer: Any) -> None:
    found = told(tokenizer, ["a", ""], rest="\ufffd", end=False)
    assert (found.text, reason(found)) == ("a\ufffd", ("length", None))


def test_a_stop_string_that_the_end_completes_counts(tokenizer: Any) -> None:
    found = told(tokenizer, ["a<", ""], rest="/", end=False, stop=("</",))
    assert (found.text, reason(found)) == ("a", ("stop", "</"))


def test_stop_strings_look_at_the_answer_only(tokenizer: Any) -> None:
    found = told(tokenizer, ["<think>", "END in", "</think>", "so END it"], stop=("END",))
    assert (found.reasoning, found.text) == ("END in", "so ")
    assert reason(found) == ("stop", "END")


# ------------------------------------------------------------------ reasoning
@settings(max_examples=60)
@given(places=cuts, opened=st.booleans())
def test_reasoning_and_answer_whatever_the_pieces(tokenizer: Any, places: list[int], opened: bool) -> None:
    whole = "\nI think\n\nso.\n</think>\n\nYes < no\nindeed.\n"
    found = told(tokenizer, cut_at(whole if opened else "<think>" + whole, places), thinking=opened)
    assert found.reasoning == "I think\n\nso."
    assert found.text == "Yes < no\nindeed.\n"
    assert reason(found) == ("stop", None)


def test_newlines_of_an_answer_without_a_thought_stay(tokenizer: Any) -> None:
    assert told(tokenizer, ["\n", "\nhi\n"]).text == "\n\nhi\n"


def test_tokens_of_a_thought_are_counted(tokenizer: Any) -> None:
    assert told(tokenizer, ["<think>", "a", "b", "</think>", "c"]).reasoning_tokens == 3
    assert told(tokenizer, ["a", "b", "</think>", "c"], thinking=True).reasoning_tokens == 3
    assert told(tokenizer, ["a", "b"]).reasoning_tokens == 0


def test_a_thought_cut_by_the_limit_stays_a_thought(tokenizer: Any) -> None:
    found = told(tokenizer, ["<think>", "a", "b</thi"], end=False)
    assert (found.reasoning, found.text, reason(found)) == ("ab</thi", "", ("length", None))


def test_nothing_is_parsed_where_nothing_is_wanted(tokenizer: Any) -> None:
    whole = f"<think>\na</think>\n{CALL}"
    assert told(tokenizer, [whole], parse=False).text == whole


# ------------------------------------------------------------------ tool calls
@settings(max_examples=40)
@given(places=cuts)
def test_a_call_whatever_the_pieces(tokenizer: Any, places: list[int]) -> None:
    found = told(tokenizer, cut_at(f"<think>\nhm\n</think>\n\nLook:{CALL}", places))
    assert (found.reasoning, found.text) == ("hm", "Look:")
    (call,) = found.calls
    assert (call.call, call.name, json.loads(call.arguments)) == (0, "get_weather", {"city": "Zürich"})
    assert call.id
    assert reason(found) == ("tool_calls", None)


def test_two_calls_are_numbered_and_named_apart(tokenizer: Any) -> None:
    found = told(tokenizer, [CALL, "\n", CALL, "\n"])
    assert [call.call for call in found.calls] == [0, 1]
    assert len({call.id for call in found.calls}) == 2
    assert (found.text, reason(found)) == ("", ("tool_calls", None))


@given(places=st.lists(st.integers(0, 300), max_size=8))
def test_a_request_for_a_single_call_ends_with_it(tokenizer: Any, places: list[int]) -> None:
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "%s"}}\n</tool_call>'
    found = told(tokenizer, cut_at("Let me see." + call % "Rome" + "\n" + call % "Oslo", places), single=True)
    assert [call.arguments for call in found.calls] == ['{"city": "Rome"}']
    assert found.text == "Let me see."
    assert reason(found) == ("tool_calls", None)


@pytest.mark.parametrize("inside", ["{not json", '{"arguments": {}}', '{"name": ""}', "[]x", "17"])
def test_what_is_no_call_stays_text_with_its_markers(tokenizer: Any, inside: str) -> None:
    found = told(tokenizer, ["a<tool", f"_call>{inside}</tool", "_call>b"])
    assert (found.text, found.calls) == (f"a<tool_call>{inside}</tool_call>b", [])
    assert reason(found) == ("stop", None)


def test_a_call_cut_by_the_limit_stays_text(tokenizer: Any) -> None:
    found = told(tokenizer, ["a", "<tool_call>", '{"name": "get', "</tool_"], end=False)
    assert (found.text, found.calls) == ('a<tool_call>{"name": "get</tool_', [])
    assert reason(found) == ("length", None)


def test_text_that_was_held_comes_before_a_call_that_is_none(tokenizer: Any) -> None:
    found = told(tokenizer, ["an EN", "<tool_call>oops</tool_call>", "!"], stop=("END",))
    assert found.text == "an EN<tool_call>oops</tool_call>!"


def test_a_stop_string_in_a_call_that_is_none_counts(tokenizer: Any) -> None:
    found = told(tokenizer, ["<tool_call>oops END</tool_call>", "more"], stop=("END",))
    assert (found.text, reason(found)) == ("<tool_call>oops ", ("stop", "END"))


def test_a_finished_call_before_the_limit_is_a_call(tokenizer: Any) -> None:
    found = told(tokenizer, [CALL], end=False)
    assert (len(found.calls), reason(found)) == (1, ("length", None))


def test_a_family_that_doesnt_mark_the_end_of_a_call(tmp_path: Any) -> None:
    write_tokenizer(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tool_parser_type": "mistral"}))
    mistral = load_tokenizer(tmp_path)
    found = told(mistral, ["Sure.", "[TOOL_CALLS]", "get_weather[ARGS]", '{"city": "Bern"}'])
    assert [(call.name, json.loads(call.arguments)) for call in found.calls] == [("get_weather", {"city": "Bern"})]
    assert (found.text, reason(found)) == ("Sure.", ("tool_calls", None))
    cut = told(mistral, ["[TOOL_CALLS]", "get_weather[ARGS]", '{"ci'], end=False)
    assert (cut.text, cut.calls) == ('[TOOL_CALLS]get_weather[ARGS]{"ci', [])


# ------------------------------------------------------------------ tokens and log-probabilities
@settings(max_examples=60)
@given(places=cuts, end=st.booleans())
def test_every_token_is_told_once(tokenizer: Any, places: list[int], end: bool) -> None:
    pieces = cut_at(f"<think>a</think>b{CALL}c{CALL}", places)
    found = told(tokenizer, [*pieces, ""], end=end)
    count = len(pieces) + 1
    assert found.tokens == [*range(count), *([EOS] if end else [])]
    assert [logprob.token for logprob in found.logprobs] == list(range(count))


def test_a_token_that_ends_the_answer_is_no_part_of_its_log_probabilities(tokenizer: Any) -> None:
    found = told(tokenizer, ["a", "b"], stop_token_ids=(1,))
    assert (found.text, found.tokens) == ("a", [0, 1])
    assert [logprob.token for logprob in found.logprobs] == [0]
    assert reason(found) == ("stop", 1)


def test_a_stop_token_is_text_until_min_tokens(tokenizer: Any) -> None:
    found = told(tokenizer, ["a", "b", "c"], stop_token_ids=(0,), min_tokens=1)
    assert (found.text, reason(found)) == ("abc", ("stop", None))
