"""Every family gives a prompt the tokens that mlx-vlm gives it alone: in one batch with others, cut into chunks that
go through pictures, with known pictures, and after a prefix-cache hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mlx.core as mx
import pytest

from tests.unit.workers.vision.conftest import Known
from tests.vision_driver import TOKENS, VisionDriver
from tests.vision_models import IMAGE, VIDEO, WINDOW, Case, Drawn

# What the probe must find out: can the family batch, fuse groups into one pass, prefill unequal texts together?
ALL = ("batch", "groups", "batched prefill")
SHARING = {
    "qwen2_vl": ALL,
    "qwen2_5_vl": ALL,
    "qwen3_vl": ALL,
    "qwen3_5": ("batch",),
    "glm4v": ALL,
    "gemma3": ALL,
    "gemma4": ALL,
    "llava": ALL,
    "llava_onevision": ALL,
    "idefics3": ALL,
    "smolvlm": ALL,
    "pixtral": ALL,
    "mistral3": ALL,
    "lfm2_vl": ("batch",),
    "internvl_chat": ALL,
}
MIB = 1 << 20
Get = Callable[..., Known]


def sayable(tokens: list[int]) -> list[int]:
    """An answer up to where a random model says a token that stands for media."""
    return tokens[: next((at for at, token in enumerate(tokens) if token in (IMAGE, VIDEO)), len(tokens))]


def common(stored: list[int], tokens: list[int]) -> int:
    """How many tokens two prompts share; the last one of a prompt is always computed."""
    pairs = enumerate(zip(stored, tokens, strict=False))
    return min(next((at for at, (a, b) in pairs if a != b), len(stored)), len(tokens) - 1)


def unlike(tokens: list[int]) -> list[int]:
    """Other words; media stay where they are."""
    return [token if token in (IMAGE, VIDEO) else 81 + token % 2 for token in tokens]


def recoloured(case: Case) -> Case:
    """Another picture in the same place, of the same size."""
    name = next(name for name in case.data if name.startswith("pixel_values"))
    data = case.data | {name: case.data[name] * -3.0 + 2.0}
    return Case(case.tokens, data, tuple(f"not {one}" for one in case.media))


@pytest.mark.parametrize("family", SHARING)
def test_the_probe_finds_what_a_family_may_share(known: Get, family: str) -> None:
    names = VisionDriver(known(family).family).loop.sharing.names
    assert tuple(name for name in names if name != "chunked prefill") == SHARING[family]


@pytest.mark.parametrize("family", SHARING)
def test_rows_of_every_kind_in_one_batch(known: Get, family: str) -> None:
    """They join a batch that runs, two steps apart, in chunks of 5 tokens."""
    k = known(family)
    d = VisionDriver(k.family, chunk=5)
    for name, case in k.family.cases.items():
        d.admit(name, case)
        d.step(2)
    d.drain()
    found = {name: answer.tokens[0] for name, answer in d.answers.items()}
    assert found == {name: k.answer(case) for name, case in k.family.cases.items()}
    assert max(tokens for _, tokens in d.forward.passes) == 5
    assert min(len(set(tokens)) for tokens in found.values()) > 2  # that vary, or equality would show nothing


@pytest.mark.parametrize("family", SHARING)
def test_all_at_once_and_prefilled_whole(known: Get, family: str) -> None:
    k = known(family)
    d = VisionDriver(k.family)
    for name, case in k.family.cases.items():
        d.admit(name, case)
    d.drain()
    found = {name: answer.tokens[0] for name, answer in d.answers.items()}
    assert found == {name: k.answer(case) for name, case in k.family.cases.items()}


@pytest.mark.parametrize("family", SHARING)
def test_a_known_picture_is_not_encoded_again(known: Get, family: str) -> None:
    k = known(family)
    d = VisionDriver(k.family, chunk=5, features=MIB)
    seen = [case for case in k.family.cases.values() if case.media]
    for case in seen:
        d.tokens(case, "first")
    assert d.forward.encoded
    d.forward.encoded.clear()
    for case in seen:
        assert d.tokens(case, "again") == k.answer(case)
    other = Case([3, 4, 5, *seen[0].tokens], _behind(seen[0], 3), seen[0].media)
    assert d.tokens(other, "elsewhere") == k.answer(other)
    assert d.forward.encoded == []


def _behind(case: Case, words: int) -> dict[str, object]:
    types = case.data.get("mm_token_type_ids")
    return case.data if types is None else case.data | {"mm_token_type_ids": mx.pad(types, [(0, 0), (words, 0)])}


@pytest.mark.parametrize("family", SHARING)
def test_a_second_turn_goes_on_behind_the_picture(known: Get, family: str) -> None:
    k = known(family)
    first = k.family.cases["image"]
    d = VisionDriver(k.family, chunk=5, prefix_cache=64 * MIB)
    second = first.followed_by([*sayable(d.tokens(first)), *Drawn(9).words(8)])
    assert d.tokens(second, "second") == k.answer(second)
    # The last token of an answer that ran into its limit was never the model's input.
    stored = [*first.tokens, *k.answer(first)[:-1]]
    expected = common(stored, second.tokens)
    if "groups" not in SHARING[family] and expected < len(stored):
        expected = len(first.tokens) - 1  # recurrent states can't be cut
    assert d.answers["second"].usage.cached_tokens == expected
    assert d.forward.encoded == ["alone"]


@pytest.mark.parametrize("family", [name for name, shares in SHARING.items() if "groups" in shares])
def test_a_beginning_that_ends_around_a_picture(known: Get, family: str) -> None:
    """As two prompts that part ways leave it: a stored prompt can be cut at any token."""
    k = known(family)
    case = k.family.cases["image"]
    behind = len(case.tokens) - case.tokens[::-1].index(IMAGE)
    d = VisionDriver(k.family, chunk=5, prefix_cache=64 * MIB)
    for cut in (3, behind, behind + 1):
        d.loop._cache.clear()
        d.admit("other", replace(case, tokens=[*case.tokens[:cut], *unlike(case.tokens[cut:])]), max_tokens=1)
        d.drain()
        assert d.tokens(case) == k.answer(case)
        assert d.answers["alone"].usage.cached_tokens == cut


@pytest.mark.parametrize("family", SHARING)
def test_two_pictures_of_one_size_share_nothing(known: Get, family: str) -> None:
    k = known(family)
    case = k.family.cases["image"]
    other = recoloured(case)
    d = VisionDriver(k.family, prefix_cache=64 * MIB, features=MIB)
    assert d.tokens(case, "one") == k.answer(case)
    assert d.tokens(other, "other") == k.answer(other)
    assert k.answer(other) != k.answer(case)
    before = case.tokens.index(90) if "groups" in SHARING[family] else 0  # recurrent states can't be cut
    assert d.answers["other"].usage.cached_tokens == before


def test_a_film_goes_on_in_a_second_turn(known: Get) -> None:
    for family in ("qwen2_vl", "qwen3_vl", "llava_onevision"):
        k = known(family)
        first = k.family.cases["video"]
        d = VisionDriver(k.family, chunk=5, prefix_cache=64 * MIB)
        second = first.followed_by([*sayable(d.tokens(first)), 4, 5, 6])
        assert d.tokens(second, "second") == k.answer(second)
        assert d.answers["second"].usage.cached_tokens >= len(first.tokens) - 1


# ------------------------------------------------------------------ pictures whose tokens see each other
def test_a_prompt_that_must_not_be_cut_is_prefilled_in_one_pass(known: Get) -> None:
    k = known("gemma4", "bidirectional")
    d = VisionDriver(k.family, chunk=5, features=MIB)
    for name, case in k.family.cases.items():
        d.admit(name, case)
        d.step(2)
    d.drain()
    image = k.family.cases["image"]
    assert [tokens for request, tokens in d.forward.passes if request == "image"] == [len(image.tokens) - 1]
    assert {name: answer.tokens[0] for name, answer in d.answers.items()} == {
        name: k.answer(case) for name, case in k.family.cases.items()
    }
    assert d.tokens(image, "again") == k.answer(image)  # with known features it is still one pass
    assert [tokens for request, tokens in d.forward.passes if request == "again"] == [len(image.tokens) - 1]


def test_cutting_it_would_be_wrong(known: Get) -> None:
    k = known("gemma4", "bidirectional")
    d = VisionDriver(k.family, chunk=5)
    d.forward._may_cut = lambda media: True  # type: ignore[method-assign]
    assert d.tokens(k.family.cases["image"]) != k.answer(k.family.cases["image"])


def test_it_is_resumed_behind_its_pictures_only(known: Get) -> None:
    k = known("gemma4", "bidirectional")
    first = k.family.cases["image"]
    d = VisionDriver(k.family, chunk=5, prefix_cache=64 * MIB)
    second = first.followed_by([*sayable(d.tokens(first)), 4, 5, 6])
    assert d.tokens(second, "second") == k.answer(second)
    assert d.answers["second"].usage.cached_tokens >= len(first.tokens) - 1
    other = recoloured(first)
    assert d.tokens(other, "other") == k.answer(other)
    assert d.answers["other"].usage.cached_tokens == 0


def test_positions_on_the_module_are_never_read(known: Get) -> None:
    """mlx-vlm keeps the last prompt's there; many rows can't share them."""
    k = known("qwen2_vl")
    d = VisionDriver(k.family, chunk=5)
    for name, case in k.family.cases.items():
        k.answer(case)
        d.admit(name, case)
    while d.loop.busy:
        k.family.model.language_model._rope_deltas = mx.array([[777]])
        d.step()
    assert d.answers["two"].tokens[0] == k.answer(k.family.cases["two"])


def test_the_delta_of_a_row_matters(known: Get) -> None:
    """The comparison above can fail: a picture takes fewer positions than tokens."""
    k = known("qwen2_vl")
    d = VisionDriver(k.family)
    d.admit("it", k.family.cases["two"])
    d.step()
    media = d.loop.jobs["it"].media
    assert media.delta < 0
    media.delta = 0
    d.drain()
    assert d.answers["it"].tokens[0] != k.answer(k.family.cases["two"])


def test_a_sliding_window_is_passed_by_prompt_and_answer(known: Get) -> None:
    assert max(len(case.tokens) for case in known("gemma3").family.cases.values()) > WINDOW
    assert len(known("gemma3").family.cases["text"].tokens) + TOKENS > WINDOW
