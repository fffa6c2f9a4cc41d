"""A telling sample of the vision families: each was once wrong, or not hosted at all."""

from __future__ import annotations

import pytest

from scripts.sweep.vision_check import check_vision

ALL = ("chunked prefill", "batch", "groups", "batched prefill")


@pytest.mark.parametrize(
    ("name", "word", "shared"),
    [
        ("ernie4_5_moe_vl(text)", "exact", ALL),  # positions [rows, tokens, 3]
        ("minimax_m3_vl(text)", "row by row", ALL[:1]),  # positions [rows, tokens]; blocks cut over slots
        ("hunyuan_vl", "row by row", ALL[:1]),  # keeps the last prompt's positions
        ("mistral3+ministral3", "exact", ALL),  # queries scaled by each row's own length
    ],
)
def test_verdict(name: str, word: str, shared: tuple[str, ...]) -> None:
    found = check_vision(name).verdict()
    assert (found.word, found.sharing) == (word, shared), found.why


def test_pictures_that_cannot_be_placed_are_refused_and_text_is_right() -> None:
    report = check_vision("llava_next")
    assert report.wrong == []
    assert "44 embeddings of a prompt of 28 tokens" in report.verdict().why
