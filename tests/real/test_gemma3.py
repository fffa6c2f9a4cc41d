"""Gemma 3 270M, a base model, through a node: a vocabulary of 262,144 and a sliding window of 512 tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema
import pytest

from scripts.real_weights.catalogue import MODELS
from scripts.real_weights.prompts import COMPLETIONS, TOKENS, TOP, long_text
from tests.real.library import ROUNDED, library, same
from tests.real.node import Answer, Asker
from tests.real.test_smollm2 import PERSON, mask_cost

MODEL = "gemma3"
PROMPTS = (*COMPLETIONS, long_text())
pytestmark = pytest.mark.skipif(not (MODELS / MODEL).is_dir(), reason=f"no build/real/models/{MODEL}")


@pytest.fixture(scope="module")
def alone(real: Asker) -> list[Answer]:
    return [real.complete(MODEL, text, max_tokens=TOKENS, logprobs=TOP) for text in PROMPTS]


def test_answers_are_llama_cpps(
    alone: list[Answer], llama: Callable[[str], list[dict[str, Any]]], figure: Callable[[str, str], None]
) -> None:
    equal = 0
    for ours, theirs in zip(alone, llama(MODEL), strict=True):
        assert ours.prompt_tokens == theirs["prompt_tokens"]
        equal += same(ours, len(theirs["tokens"]), theirs["text"], tuple(theirs["top"]), close=ROUNDED)
    figure(f"{MODEL} against llama.cpp", f"{equal} tokens of {sum(one.tokens for one in alone)} before a near tie")
    assert equal > 60


def test_answers_are_mlx_lms(alone: list[Answer]) -> None:
    """The last prompt is twice as long as the window."""
    with library(MODELS / MODEL) as loaded:
        for text, ours in zip(PROMPTS, alone, strict=True):
            prompt = loaded.tokenizer.encode(text)
            theirs = loaded.answer(prompt, TOKENS)
            assert ours.prompt_tokens == len(prompt)
            same(ours, theirs.tokens, theirs.text, theirs.top)
    assert alone[-1].prompt_tokens > 999


def test_long_and_short_together_are_each_alone(real: Asker, alone: list[Answer]) -> None:
    asked = [partial(real.complete, MODEL, text, max_tokens=TOKENS, logprobs=TOP) for text in (*PROMPTS, *PROMPTS[:2])]
    for one, other in zip([*alone, *alone[:2]], real.together(*asked), strict=True):
        same(other, one.tokens, one.text, one.top)


def test_a_kept_prefix_beyond_the_window_changes_nothing(real: Asker, alone: list[Answer]) -> None:
    again = real.complete(MODEL, PROMPTS[-1], max_tokens=TOKENS, logprobs=TOP)
    assert again.cached_tokens > 512
    same(again, alone[-1].tokens, alone[-1].text, alone[-1].top)
    longer = PROMPTS[-1] + alone[-1].text
    turn = real.complete(MODEL, longer, max_tokens=8, logprobs=TOP)
    assert turn.cached_tokens > 512
    with library(MODELS / MODEL) as loaded:
        theirs = loaded.answer(loaded.tokenizer.encode(longer), 8)
    same(turn, theirs.tokens, theirs.text, theirs.top)


def test_a_schema_is_kept_over_262k_tokens(real: Asker, figure: Callable[[str, str], None]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    answer = real.complete(MODEL, "A person as JSON: ", max_tokens=60, response_format=form)
    assert answer.finish == "stop"
    jsonschema.validate(json.loads(answer.text), PERSON)
    figure(f"schema on {MODEL}", mask_cost(partial(real.complete, MODEL, "Once upon a time"), real, MODEL))


def test_memory(real: Asker, memory_checked: Callable[[str], None], alone: list[Answer]) -> None:
    memory_checked(MODEL)
    real.unload(MODEL)
