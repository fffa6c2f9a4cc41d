from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.speech.normalise import normalise
from workers.speech.text import clean

TABLE = Path(__file__).parents[3] / "data" / "speech" / "words.tsv"
ROWS = [line.split("\t") for line in TABLE.read_text().splitlines()]
SAYABLE = re.compile(r"[A-Za-zÀ-ɏ\s.,;:!?()\[\]\"'“”‘’…—–-]*")


def spoken(text: str, language: str = "en-us") -> str:
    return clean(normalise(clean(text), language))


@pytest.mark.parametrize(("language", "text", "words"), ROWS, ids=[f"{row[0]}:{row[1]}" for row in ROWS])
def test_words(language: str, text: str, words: str) -> None:
    assert spoken(text, language) == words


def test_the_table_is_long() -> None:
    assert len(ROWS) >= 200


@pytest.mark.parametrize("text", [text for language, text, _ in ROWS if language == "en-us"])
def test_english_keeps_no_sign_and_no_digit(text: str) -> None:
    assert SAYABLE.fullmatch(spoken(text))


@given(st.text(string.digits + "abz AB.,-–/%$€£°'\"<>=+*_#@&~^½²×x:()\n", max_size=60))
@settings(deadline=None, max_examples=150)
def test_no_sign_is_left_in_english(text: str) -> None:
    """Digits inside a name (mp3) stay for the phonemiser."""
    assert SAYABLE.fullmatch(re.sub(r"\d", "", normalise(text, "en-us")))


@given(st.lists(st.text(string.ascii_lowercase, min_size=3, max_size=9), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_plain_words_stay(words: list[str]) -> None:
    text = " ".join(words)
    for language in ("en-us", "es", "fr", "it", "pt-br"):
        assert normalise(text, language).split() == [w if w != "vs" else "versus" for w in words]


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1-",
        "$",
        "1,",
        "a/",
        "/a",
        "(",
        "5' ",
        '5" ',
        "x1x",
        "__",
        "a@",
        "<a ",
        "1/2 ",
        "1 000 ",
        "1.000,",
        "1:2:",
        "1h30",
        "(11) ",
        "00000-",
        "1/1/",
        "$1-",
        "1 - ",
        "n.",
        ":) ",
    ],
)
def test_no_text_is_too_long_to_normalise(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    for language in ("en-us", "es"):
        assert normalise(text, language)


def test_misakis_markup_is_left_alone() -> None:
    assert normalise("[Kokoro](/kˈOkəɹO/) costs $5", "en-us") == "[Kokoro](/kˈOkəɹO/) costs five dollars"


def test_other_languages_are_left_alone() -> None:
    assert normalise("5 € und 3 %", "de") == "5 € und 3 %"
