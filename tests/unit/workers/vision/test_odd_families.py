"""Families that take positions in their own way, or put other numbers of embeddings in a picture's place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from scripts.sweep.vision_configs import family
from shared.errors import InvalidRequest
from shared.messages import Failed
from tests.vision_driver import VisionDriver, forget_positions, library_tokens
from tests.vision_models import Case, Drawn, Family
from workers.vision.positions import Layout

Get = Callable[[str], Family]


@pytest.fixture(scope="module")
def made() -> Get:
    return cache(family)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("hunyuan_vl", Layout.NONE),
        ("minimax_m3_vl(text)", Layout.ROWS_TOKENS),
        ("ernie4_5_moe_vl(text)", Layout.ROWS_TOKENS_AXES),
    ],
)
def test_an_answer_is_the_same_in_a_batch(made: Get, name: str, layout: Layout) -> None:
    """Each joins a batch that runs, in chunks; what was asked before leaves nothing behind."""
    k = made(name)
    alone, together = VisionDriver(k), VisionDriver(k, chunk=7)
    found = {case: alone.tokens(k.cases[case], case) for case in k.cases}
    for case in k.cases:
        together.admit(case, k.cases[case])
        together.step(2)
    together.drain()
    assert alone.forward._layout is layout
    assert {case: answer.tokens[0] for case, answer in together.answers.items()} == found
    assert max(len(set(tokens)) for tokens in found.values()) > 2


def test_hunyuan_answers_as_the_library(made: Get) -> None:
    k = made("hunyuan_vl")
    for case in k.cases.values():
        expected = library_tokens(k.model, case)
        assert VisionDriver(k).tokens(case) == expected


def test_hunyuan_resumes_where_positions_are_plain_again(made: Get) -> None:
    """Its code gives as many tokens behind a picture the picture's positions, in the first pass only."""
    k = made("hunyuan_vl")
    first = k.cases["image"]
    end, picture = 13, 8
    d = VisionDriver(k, prefix_cache=64 << 20)
    longer = Case([*first.tokens, *Drawn(9).words(20)], first.data, first.media)
    for cut, cached in ((end, 0), (end + picture - 1, 0), (end + picture, end + picture)):
        d.loop._cache.clear()
        d.admit("other", Case([*longer.tokens[:cut], 81, 82], first.data, first.media), max_tokens=1)
        d.drain()
        forget_positions(k.model)
        assert d.tokens(longer) == library_tokens(k.model, longer)
        assert d.answers["alone"].usage.cached_tokens == cached


def test_a_short_row_keeps_its_own_scale_beside_one_past_the_trained_length(made: Get) -> None:
    """Ministral scales queries by position, and mlx-vlm takes the first row's for all."""
    k = made("mistral3+ministral3")
    names = ("text", "long")  # 9 tokens and 160; trained for 32
    for order in (names, names[::-1]):
        d = VisionDriver(k)
        for name in order:
            d.admit(name, k.cases[name])
        d.drain()
        assert {name: d.answers[name].tokens[0] for name in names} == {
            name: library_tokens(k.model, k.cases[name]) for name in names
        }


def test_other_numbers_of_embeddings_than_tokens_are_refused(made: Get) -> None:
    """LLaVA 1.6: whoever is in the batch goes on."""
    k = made("llava_next")
    d = VisionDriver(k)
    d.admit("text", k.cases["text"])
    d.step()
    d.admit("image", k.cases["image"])
    d.drain()
    [failed] = d.answers["image"].terminals
    assert isinstance(failed, Failed)
    assert (failed.code, failed.param) == (InvalidRequest.code, "messages")
    assert "44 embeddings of a prompt of 28 tokens" in failed.message
    assert d.answers["text"].tokens[0] == library_tokens(k.model, k.cases["text"])
