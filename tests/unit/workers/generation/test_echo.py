"""Prompts given back, held against what the same model says of the same tokens when it writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.messages import ChoiceFinished, Finished, Generate, Prompt, PromptEcho, Sampling, TextDelta
from tests.models import VOCAB
from tests.text_driver import Driver, made_up

Make = Callable[..., Driver]


def run(
    d: Driver, prompt: Prompt, *, logprobs: int | None = None, n: int = 1, beside: Any = None, **sampling: Any
) -> list[Any]:
    """The deltas of one request that wants its prompt back."""
    wanted = Sampling(temperature=0.0, logprobs=logprobs, **sampling)
    work = Generate(
        "echo", prompt, wanted, n, parse_reasoning=False, parse_tools=False, echo=True, prompt_logprobs=logprobs
    )
    events = [*d.engine.admit(d.engine.prepare(work, ()))]
    while d.engine.busy:
        events.extend(d.engine.step())
    return [event for event in events[1:] if event.request == "echo"]


def test_a_text_comes_back_as_it_was_before_anything_else(driver: Make) -> None:
    echo, *rest = run(driver(), Prompt(text="Häl<|im_end|>lo"), max_tokens=3, ignore_eos=True)
    assert isinstance(echo, PromptEcho)
    assert (echo.text, echo.logprobs) == ("Häl<|im_end|>lo", ())
    assert len(echo.tokens) == 7  # bytes, and the marker
    assert sum(len(event.tokens) for event in rest if isinstance(event, TextDelta)) == 3
    assert isinstance(rest[-1], Finished)


def test_tokens_come_back_as_text_with_what_is_special(driver: Make) -> None:
    d = driver()
    tokens = tuple(d.engine._facts.tokenizer.encode("a<|im_end|>b"))
    echo = run(d, Prompt(tokens=tokens), max_tokens=1)[0]
    assert (echo.text, echo.tokens) == ("a<|im_end|>b", tokens)


@pytest.mark.parametrize("family", ["qwen3", "gemma3_text", "qwen3_next"])
def test_scores_are_those_of_the_same_tokens_when_they_were_written(driver: Make, family: str) -> None:
    d = driver(family)
    start = made_up(300)
    d.admit("alone", start, max_tokens=40, ignore_eos=True, logprobs=3)
    d.drain()
    written, said = d.answers["alone"].tokens[0], d.answers["alone"].logprobs[0]
    # Twice: the second time the prefix cache knows the prompt, and every token is still scored.
    for _ in range(2):
        echo, end, finished = run(d, Prompt(tokens=(*start, *written)), logprobs=3, max_tokens=0)
        assert [echo.logprobs[0], len(echo.logprobs)] == [None, len(start) + len(written)]
        for scored, wrote in zip(echo.logprobs[len(start) :], said, strict=True):
            assert (scored.token, scored.data) == (wrote.token, wrote.data)
            assert scored.logprob == pytest.approx(wrote.logprob, abs=2e-3)
            assert [one.logprob for one in scored.top] == pytest.approx([one.logprob for one in wrote.top], abs=2e-3)
        assert end == ChoiceFinished("echo", 0, "length")
        assert finished.usage.completion_tokens == 0
        assert finished.usage.prompt_tokens == len(start) + len(written)


def test_a_long_prompt_is_scored_in_chunks_while_others_decode(driver: Make) -> None:
    d = driver()
    prompt = Prompt(tokens=made_up(700))
    alone = run(d, prompt, logprobs=1, max_tokens=0)[0].logprobs
    d.admit("other", made_up(20), max_tokens=60, ignore_eos=True)
    d.step(3)
    wanted = Sampling(max_tokens=0, logprobs=1)
    work = Generate("echo", prompt, wanted, echo=True, prompt_logprobs=1)
    events = [*d.engine.admit(d.engine.prepare(work, ()))]
    steps = 0
    while d.engine.busy:
        events.extend(d.engine.step())
        steps += 1
    echo = next(event for event in events if isinstance(event, PromptEcho))
    assert [one.token for one in echo.logprobs[1:]] == [one.token for one in alone[1:]] == list(prompt.tokens or ())[1:]
    assert [one.logprob for one in echo.logprobs[1:]] == pytest.approx([one.logprob for one in alone[1:]], abs=2e-3)
    assert sum(isinstance(event, TextDelta) and event.request == "other" for event in events) > 20


def test_prompts_of_one_token_and_several_choices(driver: Make) -> None:
    deltas = run(driver(), Prompt(tokens=(65,)), logprobs=0, n=2, max_tokens=0)
    assert deltas[0] == PromptEcho("echo", "b", (65,), (None,))
    assert [one.choice for one in deltas if isinstance(one, ChoiceFinished)] == [0, 1]


def test_a_score_is_the_whole_vocabularys(driver: Make) -> None:
    import math

    echo = run(driver(), Prompt(tokens=made_up(5)), logprobs=20, max_tokens=0)[0]
    for one in echo.logprobs[1:]:
        assert len(one.top) == 20
        total = sum(math.exp(other.logprob) for other in one.top)
        assert one.logprob <= one.top[0].logprob <= 0
        assert 20 / VOCAB < total <= 1.0001


def test_more_alternatives_than_there_may_be_are_refused(driver: Make) -> None:
    with pytest.raises(InvalidRequest) as caught:
        run(driver(), Prompt(text="a"), logprobs=21, max_tokens=1)
    assert caught.value.param in ("prompt_logprobs", "logprobs")


def test_a_cancel_while_it_waits(driver: Make) -> None:
    d = driver()
    work = Generate("echo", Prompt(tokens=made_up(3000)), Sampling(max_tokens=0), echo=True, prompt_logprobs=1)
    d.engine.admit(d.engine.prepare(work, ()))
    d.engine.step()
    assert [event.code for event in d.engine.cancel("echo")] == ["cancelled"]
    assert not [event for _ in range(3) for event in d.engine.step()]
