from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest

from scripts.sweep.finding import Report
from scripts.sweep.report import Verdict, write
from shared.messages import TokenLogprob
from tests.text_driver import Answer

TEXT, VISION = Verdict("text", "llama", "exact", ("batch",), 39), Verdict("vision", "llava", "wrong", why="a | b")


def test_a_library_that_was_not_run_keeps_its_section(tmp_path: Path) -> None:
    page, whole = tmp_path / "families.md", tmp_path / "whole.md"
    write(page, [TEXT])
    write(page, [VISION])
    write(whole, [VISION, TEXT])
    assert page.read_text() == whole.read_text()
    write(page, [Verdict("text", "llama", "dead")])
    assert "| llama | dead |" in page.read_text()
    assert "| llama | exact |" not in page.read_text()
    assert "| llava | wrong |  |  | a \\| b |" in page.read_text()


def answer(*tokens: int, scores: float = -0.5) -> Answer:
    found = Answer()
    found.tokens[0].extend(tokens)
    found.logprobs[0].extend(TokenLogprob(token, "", b"", scores) for token in tokens)
    return found


RIGHT = mx.array([[-0.5, -3.0], [-3.0, -0.5]])


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (answer(0, 1), "exact"),
        (answer(0, 0), "wrong"),  # another token than the library's
        (answer(0, 1, scores=-0.6), "wrong"),
        (answer(0, 1, 1), "exact"),  # the library's own answer ends before
        (answer(), "wrong"),
    ],
)
def test_answers_are_compared_token_by_token(found: Answer, word: str) -> None:
    report = Report("text", "it", sharing=("batch",))
    report.compare("here", found, lambda tokens: RIGHT, 0.01)
    assert (report.verdict().word, report.compared) == (word, 1)


def test_words_for_what_raises_is_refused_or_shares_nothing() -> None:
    dead, refused = Report("text", "it"), Report("text", "it", refused="no such thing")
    dead.attempt("_alone", lambda: [][0])
    assert dead.verdict().word == "dead"
    assert dead.verdict().why.startswith("alone raised IndexError")
    assert (refused.verdict().word, refused.verdict().why) == ("refused", "no such thing")
    assert Report("text", "it", not_shared=("batch: why",)).verdict() == Verdict(
        "text", "it", "row by row", why="batch: why"
    )
