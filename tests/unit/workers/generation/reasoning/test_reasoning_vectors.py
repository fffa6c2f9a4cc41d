"""What models write, as the client sees it: whole, in every two pieces, character by character."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import ReasoningDelta, Sampling, TextDelta
from workers.generation.output import RowOutput
from workers.generation.reasoning.families import FORMATS
from workers.platform.sampling import resolve

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[4] / "data" / "reasoning" / "vectors.json").read_text(encoding="utf-8")
)
OTHERS = ("\n", "\n\n", " ", "<", "a", "to=functions.f", "assistant", "analysis", "final", "to=self", "é")
EOS = 999_999
PARAMS = resolve(Sampling(), defaults={}, vocab_size=EOS + 1, eos=frozenset({EOS}), room=10_000)


class Script:
    """A detokenizer whose token n is the nth of some pieces."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = pieces

    def add(self, token: int) -> str:
        return self.pieces[token]

    def finish(self) -> str:
        return ""


def told(family: str | None, opened: bool, pieces: Sequence[str]) -> tuple[str, str]:
    thoughts = FORMATS[family].reader(opened) if family else None
    output = RowOutput("r", 0, PARAMS, Script(pieces), thoughts, None, frozenset({EOS}))
    reasoning = answer = ""
    for token in [*range(len(pieces)), EOS]:
        for delta in output.push(token, None, token + 1):
            if isinstance(delta, ReasoningDelta):
                reasoning += delta.text
            elif isinstance(delta, TextDelta):
                answer += delta.text
    return reasoning, answer


def ways(text: str) -> Iterator[Sequence[str]]:
    yield [text]
    yield list(text)
    yield from ([text[:at], text[at:]] for at in range(1, len(text)))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['family']}: {vector['name']}")
def test_a_familys_thoughts(vector: dict[str, Any]) -> None:
    for pieces in ways(vector["text"]):
        found = told(vector["family"], vector["opened"], pieces)
        assert found == (vector["reasoning"], vector["answer"]), pieces


FRAGMENTS = st.lists(st.integers(0, 10_000), max_size=12)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(chosen=FRAGMENTS, opened=st.booleans())
def test_whatever_a_model_writes_doesnt_depend_on_its_pieces(name: str, chosen: list[int], opened: bool) -> None:
    markers = FORMATS[name].markers
    fragments = [*markers, *markers, *(marker[:-1] for marker in markers), *OTHERS]
    written = [fragments[at % len(fragments)] for at in chosen]
    whole = "".join(written)
    found = told(name, opened, [whole])
    assert told(name, opened, written) == told(name, opened, list(whole)) == found
    if not any(marker in whole for marker in markers):
        assert "".join(found) in (whole, whole.strip("\n"))


def test_every_family_has_vectors() -> None:
    assert {vector["family"] for vector in VECTORS} == set(FORMATS)


@pytest.mark.parametrize("vector", VECTORS[:3], ids=lambda vector: vector["name"])
def test_raw_is_raw(vector: dict[str, Any]) -> None:
    assert told(None, False, list(vector["text"])) == ("", vector["text"])
