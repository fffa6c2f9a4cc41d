"""What a client learns doesn't depend on where the model's tokens end, whatever it writes in whichever family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import ReasoningDelta, Sampling, TextDelta, ToolCallDelta
from tests.text_driver import WEATHER
from workers.generation.calls.detect import FORMATS as CALLS
from workers.generation.calls.format import CallFormat
from workers.generation.output import RowOutput
from workers.generation.reasoning.families import FORMATS as REASONING
from workers.platform.sampling import resolve

EOS = 999_999
PARAMS = resolve(Sampling(), defaults={}, vocab_size=EOS + 1, eos=frozenset({EOS}), room=10_000)
CALL = '{"name": "get_weather", "arguments": {"city": "é"}}'
OTHERS = (CALL, '{"city": "é"}', "get_weather", "functions.get_weather:0", '[get_weather(city="é")]', '"', "{", "}")
OTHERS += ("[", "]", " ", "\n", ",", "<", "<|", "to=functions.get_weather")


class Script:
    """A detokenizer whose token n is the nth of some pieces."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = pieces

    def add(self, token: int) -> str:
        return self.pieces[token]

    def finish(self) -> str:
        return ""


def told(calls: CallFormat, reasoning: str, opened: bool, single: bool, pieces: Sequence[str]) -> tuple[Any, ...]:
    thoughts, readers = REASONING[reasoning].reader(opened), [calls.reader((WEATHER,)) for _ in range(2)]
    output = RowOutput(
        "r", 0, PARAMS, Script(pieces), thoughts, readers[0], frozenset({EOS}), single=single, unclosed=readers[1]
    )
    text = thought = ""
    found: list[list[str]] = []
    for token in [*range(len(pieces)), EOS]:
        for delta in output.push(token, None, token + 1):
            match delta:
                case TextDelta():
                    text += delta.text
                case ReasoningDelta():
                    thought += delta.text
                case ToolCallDelta(name=str() as name):
                    assert (delta.call, bool(delta.id)) == (len(found), True)
                    found.append([name, delta.arguments])
                case ToolCallDelta():
                    assert delta.call == len(found) - 1
                    found[-1][1] += delta.arguments
        if output.finished is not None:
            return text, thought, found, output.finished.reason
    raise AssertionError("the row didn't end")


@pytest.mark.parametrize("calls", CALLS, ids=lambda calls: calls.name)
@settings(max_examples=25, deadline=None)
@given(chosen=st.lists(st.integers(0, 10_000), max_size=9), opened=st.booleans(), single=st.booleans())
def test_pieces_dont_matter(calls: CallFormat, chosen: list[int], opened: bool, single: bool) -> None:
    reasoning = calls.name if calls.name in REASONING else "think"
    fragments = [*calls.markers * 2, *REASONING[reasoning].markers, *OTHERS]
    written = [fragments[at % len(fragments)] for at in chosen]
    whole = "".join(written)
    found = told(calls, reasoning, opened, single, [whole])
    assert told(calls, reasoning, opened, single, list(whole)) == found
    assert told(calls, reasoning, opened, single, written) == found
