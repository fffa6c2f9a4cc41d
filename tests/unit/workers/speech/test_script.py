from __future__ import annotations

import pytest

from tests.fakes.kokoro import ALPHABET
from workers.speech.script import LONGEST, Script


def segments(script: Script) -> list[str]:
    return list(iter(script.take, None))


def spell(text: str) -> str:
    return text.lower()


SENTENCE = "this is a sentence of no meaninɡ that is spoken."


def test_each_sentence_is_a_segment() -> None:
    assert segments(Script(f"{SENTENCE} {SENTENCE}", spell, ALPHABET)) == [SENTENCE, SENTENCE]


def test_the_first_segment_is_short_and_the_others_are_not_cut() -> None:
    long = ", ".join(["some words between commas"] * 8) + "."
    first, *rest = segments(Script(f"{long} {long}", spell, ALPHABET))
    assert len(first) <= 100
    assert first.endswith(",")
    assert len(rest[-1]) == len(long) > 100


def test_segments_are_bounded_whatever_a_phonemiser_makes() -> None:
    found = segments(Script("a b c", lambda _: "x" * 2000, ALPHABET))
    assert max(map(len, found)) == LONGEST
    assert "".join(found) == "x" * 2000


def test_slow_speech_has_shorter_segments() -> None:
    found = segments(Script("a b c", lambda _: "x" * 2000, ALPHABET, speed=0.25))
    assert max(map(len, found)) == LONGEST // 4


def test_signs_that_the_model_lacks_are_left_out() -> None:
    assert segments(Script("whatever it is that we say", lambda _: "ab❓  c\u0361d", ALPHABET)) == ["ab cd"]


@pytest.mark.parametrize("phonemes", ["", "...", " ˈ ", "“—”"])
def test_segments_without_a_sound_are_left_out(phonemes: str) -> None:
    script = Script("some text to be spoken", lambda _: phonemes, ALPHABET)
    assert script.done
    assert script.take() is None


def test_text_is_phonemised_when_it_is_needed() -> None:
    asked: list[str] = []
    script = Script(f"{SENTENCE} " * 1000, lambda text: asked.append(text) or text, ALPHABET)  # type: ignore[func-returns-value]
    assert not script.done
    assert len(asked) == 1
    script.take()
    assert not script.done
    assert len(asked) == 2
