"""Every family gives a request the same greedy tokens alone, among fifteen others, and after a prefix-cache hit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models import WINDOW
from tests.text_driver import Driver, made_up

# What the probe must find out: can rows decode together, groups share a pass, unequal prompts prefill together?
ALL = ("batch", "groups", "batched prefill")
SHARING = {
    "qwen3": ALL,
    "llama": ALL,
    "qwen3_moe": ALL,
    "deepseek_v3": ("batch", "batched prefill"),
    "gemma3_text": ("batch",),
    "gpt_oss": ("batch",),
    "qwen3_next": ("batch",),
    "mamba2": ("batch",),
    "mamba": ("batch",),
    "gpt_bigcode": (),
    "llama4": (),
}
LENGTHS = (1, 2, 30, 7, 12, 40, 3, 90, 17, 1, 25, 5, 64, 2, 16, 33)
ANSWER = WINDOW + 4  # tokens; past a sliding window even from an empty prompt


def sharing(driver: Driver) -> tuple[str, ...]:
    return tuple(name for name in driver.ready.sharing if name != "chunked prefill")


@pytest.mark.parametrize("family", SHARING)
def test_the_probe_finds_what_a_family_may_share(driver: Callable[..., Driver], family: str) -> None:
    assert sharing(driver(family)) == SHARING[family]


@pytest.mark.parametrize("family", SHARING)
def test_sixteen_at_once_answer_as_one_by_one(driver: Callable[..., Driver], family: str) -> None:
    d = driver(family)
    prompts = [made_up(length, seed) for seed, length in enumerate(LENGTHS)]
    alone = [d.tokens(prompt, max_tokens=ANSWER, ignore_eos=True) for prompt in prompts]
    for index, prompt in enumerate(prompts):
        d.admit(f"r{index}", prompt, max_tokens=ANSWER, ignore_eos=True)
        if index % 4 == 3:
            d.step(3)  # some join a batch that runs, and some have left it before the last arrive
    d.drain()
    together = [d.answers[f"r{index}"].tokens[0] for index in range(len(prompts))]
    assert together == alone
    assert min(len(set(tokens)) for tokens in alone) > 3  # outputs that vary, or equality would show nothing


@pytest.mark.parametrize("family", SHARING)
def test_a_second_turn_resumes_and_answers_the_same(driver: Callable[..., Driver], family: str) -> None:
    plain, cached = driver(family), driver(family, prefix_cache=64 << 20)
    first = made_up(40, seed=3)
    answer = cached.tokens(first, max_tokens=ANSWER, ignore_eos=True)
    assert answer == plain.tokens(first, max_tokens=ANSWER, ignore_eos=True)

    assert cached.tokens(first, max_tokens=ANSWER, ignore_eos=True) == answer
    assert cached.answers["alone"].usage.cached_tokens == len(first) - 1

    second = (*first, *answer, *made_up(9, seed=4))
    expected = plain.tokens(second, max_tokens=ANSWER, ignore_eos=True)
    assert cached.tokens(second, max_tokens=ANSWER, ignore_eos=True) == expected
    # The last token of an answer that ran into its limit was never the model's input.
    assert cached.answers["alone"].usage.cached_tokens == len(first) + len(answer) - 1
    assert plain.answers["alone"].usage.cached_tokens == 0


@pytest.mark.parametrize("family", ["qwen3", "gemma3_text", "qwen3_next", "mamba2", "llama4"])
def test_rows_that_left_a_batch_are_resumed_exactly(driver: Callable[..., Driver], family: str) -> None:
    """Several conversations side by side, whose second turns arrive together as well."""
    plain, cached = driver(family), driver(family, prefix_cache=64 << 20)
    firsts = [made_up(length, seed=50 + length) for length in (3, 21, 38)]
    for index, prompt in enumerate(firsts):
        cached.admit(f"a{index}", prompt, max_tokens=10 + 5 * index, ignore_eos=True)
    cached.drain()
    seconds = [
        (*prompt, *cached.answers[f"a{index}"].tokens[0], *made_up(4, seed=9)) for index, prompt in enumerate(firsts)
    ]
    for index, prompt in enumerate(seconds):
        cached.admit(f"b{index}", prompt, max_tokens=ANSWER, ignore_eos=True)
    cached.drain()
    for index, prompt in enumerate(seconds):
        answer = cached.answers[f"b{index}"]
        assert answer.usage.cached_tokens == len(prompt) - 4 - 1
        assert answer.tokens[0] == plain.tokens(prompt, max_tokens=ANSWER, ignore_eos=True)


@pytest.mark.parametrize("family", ["gemma3_text", "qwen3_next", "mamba2", "gpt_oss"])
def test_long_decodes_evaluate_the_library_caches(driver: Callable[..., Driver], family: str) -> None:
    d = driver(family)
    alone = d.tokens(made_up(5), max_tokens=70, ignore_eos=True)
    d.admit("long", made_up(5), max_tokens=70, ignore_eos=True)
    d.admit("other", made_up(8, seed=2), max_tokens=66, ignore_eos=True)
    d.drain()
    assert d.answers["long"].tokens[0] == alone
    assert len(d.answers["other"].tokens[0]) == 66


def test_every_choice_of_an_unshareable_model_has_a_row_of_its_own(driver: Callable[..., Driver]) -> None:
    d = driver("llama4")
    expected = d.tokens(made_up(20), max_tokens=8, ignore_eos=True)
    d.admit("three", made_up(20), n=3, max_tokens=8, ignore_eos=True)
    d.drain()
    assert dict(d.answers["three"].tokens) == dict.fromkeys(range(3), expected)


def test_a_sliding_window_is_passed_by_prompt_and_answer(folder: Callable[[str], Path]) -> None:
    """The numbers above mean something only if the window is shorter than what runs through it."""
    assert max(LENGTHS) > WINDOW
    assert WINDOW < ANSWER
    assert f'"sliding_window": {WINDOW}' in (folder("gemma3_text") / "config.json").read_text()
