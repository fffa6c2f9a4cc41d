from __future__ import annotations

import pytest

from workers.speech.text import clean, is_speakable, pieces


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello 👋🏽 world 👨‍👩‍👧 1️⃣!", "Hello world 1 !"),
        ("<b>bold</b> and <br/>more <!-- not this -->", "bold and more"),
        ("# Title\n- *one*\n> `two`", "Title\none\ntwo"),
        ("see [the page](https://example.org/a_b) now", "see the page now"),
        ("a\tb\u0000c\u200bd", "a b c d"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("क्‍ष नमस्ते", "क्ष नमस्ते"),
    ],
)
def test_what_nobody_says_goes(text: str, spoken: str) -> None:
    assert clean(text) == spoken


def test_misakis_markup_stays() -> None:
    assert clean("[Kokoro](/kˈOkəɹO/)") == "[Kokoro](/kˈOkəɹO/)"


def test_numbers_without_end_are_read_digit_by_digit() -> None:
    assert clean("1" * 400) == " ".join("1" * 400)
    assert clean("12,345.67") == "12,345.67"


def test_text_is_cut_at_the_ends_of_sentences() -> None:
    text = "Dr. J. Smith paid 3.50 at 10 a.m. yesterday. was that too much? “It was not, by far!” Two lines\nare two."
    assert list(pieces(text)) == [
        "Dr. J. Smith paid 3.50 at 10 a.m. yesterday.",
        "was that too much? “It was not, by far!”",
        "Two lines are two.",
    ]


def test_short_sentences_are_spoken_together() -> None:
    assert list(pieces("Yes. No. Well, I am not so sure about that. Go.")) == [
        "Yes. No. Well, I am not so sure about that.",
        "Go.",
    ]


def test_sentences_of_other_scripts() -> None:
    long = "これは長い文章ですのでひとつで話されます。"
    assert list(pieces(long + long)) == [long, long]
    assert list(pieces("यह पहला लंबा वाक्य है। यह दूसरा लंबा वाक्य है।")) == ["यह पहला लंबा वाक्य है।", "यह दूसरा लंबा वाक्य है।"]


@pytest.mark.parametrize("text", ["word " * 2000, "clause, " * 1000, "x" * 10_000, "你好" * 3000])
def test_a_sentence_without_end_falls_apart(text: str) -> None:
    found = list(pieces(clean(text)))
    assert max(map(len, found)) <= 400
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


def test_a_long_sentence_breaks_at_commas_first() -> None:
    found = list(pieces("one two three four five six, " * 40))
    assert [piece[-1] for piece in found] == [","] * len(found)


@pytest.mark.parametrize(
    ("text", "speakable"), [("", False), (" \n", False), ("***", False), ("🙂", False), ("7", True)]
)
def test_speakable(text: str, speakable: bool) -> None:
    assert is_speakable(text) is speakable


def test_marks_alone_make_no_piece() -> None:
    assert list(pieces("... !!! --- ?")) == []
    assert list(pieces("." * 5000 + "a"))[:-1] == []
