"""SmolLM2-135M-Instruct through a node: its chat template, greedy answers, batches, prefixes, grammars, calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema
import pytest

from scripts.real_weights.catalogue import MODELS
from scripts.real_weights.prompts import CHATS, TOKENS, TOP, long_text
from tests.real.library import library, same
from tests.real.node import Answer, Asker

MODEL = "smollm2"
pytestmark = pytest.mark.skipif(not (MODELS / MODEL).is_dir(), reason=f"no build/real/models/{MODEL}")
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def alone(real: Asker) -> list[Answer]:
    """Every chat by itself."""
    return [real.chat(MODEL, text, max_tokens=TOKENS, logprobs=True, top_logprobs=TOP) for text in CHATS]


def test_answers_are_llama_cpps(
    alone: list[Answer], llama: Callable[[str], list[dict[str, Any]]], figure: Callable[[str, str], None]
) -> None:
    """Template, tokenizer, weights and forward pass are all llama.cpp's own there."""
    equal = 0
    for ours, theirs in zip(alone, llama(MODEL), strict=True):
        assert ours.prompt_tokens == theirs["prompt_tokens"]
        equal += same(ours, len(theirs["tokens"]), theirs["text"], tuple(theirs["top"]))
    figure(f"{MODEL} against llama.cpp", f"{equal} tokens of {sum(one.tokens for one in alone)} before a near tie")
    assert equal > 60


def test_answers_are_mlx_lms(alone: list[Answer]) -> None:
    with library(MODELS / MODEL) as loaded:
        for text, ours in zip(CHATS, alone, strict=True):
            message = [{"role": "user", "content": text}]
            prompt = loaded.tokenizer.apply_chat_template(message, add_generation_prompt=True)
            theirs = loaded.answer(list(prompt), TOKENS)
            assert ours.prompt_tokens == len(prompt)
            same(ours, theirs.tokens, theirs.text, theirs.top)


def test_eight_together_are_eight_alone(real: Asker, alone: list[Answer]) -> None:
    ask = partial(real.chat, MODEL, max_tokens=TOKENS, logprobs=True, top_logprobs=TOP)
    for one, other in zip(alone, real.together(*(partial(ask, text) for text in CHATS)), strict=True):
        same(other, one.tokens, one.text, one.top)


def test_a_kept_prefix_changes_nothing(real: Asker) -> None:
    ask = partial(real.chat, MODEL, max_tokens=TOKENS, logprobs=True, top_logprobs=TOP)
    question = f"{long_text()}\nHow many ships are there?"
    cold = ask(question)
    warm = ask(question)
    assert cold.cached_tokens < 64
    assert warm.cached_tokens > 1000
    same(warm, cold.tokens, cold.text, cold.top)
    said = {"role": "assistant", "content": cold.text}
    turn = ask(question, said, "And how many barrels?")
    assert turn.cached_tokens > 1000
    with library(MODELS / MODEL) as loaded:
        users = [{"role": "user", "content": question}, said, {"role": "user", "content": "And how many barrels?"}]
        theirs = loaded.answer(list(loaded.tokenizer.apply_chat_template(users, add_generation_prompt=True)), TOKENS)
    same(turn, theirs.tokens, theirs.text, theirs.top)


def test_a_schema_is_kept_over_49k_tokens(real: Asker, figure: Callable[[str, str], None]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    for text in ("Describe Ada Lovelace as JSON.", "Give me a made-up person as JSON."):
        answer = real.chat(MODEL, text, max_tokens=80, response_format=form)
        assert answer.finish == "stop"
        jsonschema.validate(json.loads(answer.text), PERSON)
    figure(f"schema on {MODEL}", mask_cost(partial(real.chat, MODEL, "Tell me a story."), real, MODEL))


def mask_cost(ask: Callable[..., Answer], real: Asker, model: str) -> str:
    """What a token costs a worker with a grammar that never ends over without one, CPU seconds."""
    costs = []
    words = {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 60}
    form = {"type": "json_schema", "json_schema": {"name": "words", "schema": words}}
    for options in ({"response_format": form}, {}):
        began = real.cpu_seconds(model)
        answer = ask(max_tokens=64, **options)
        costs.append((real.cpu_seconds(model) - began) / answer.tokens)
    return f"{costs[0] * 1000:.0f} ms a token, {costs[1] * 1000:.0f} ms without: ratio {costs[0] / costs[1]:.2f}"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_that_has_to_be_made_parses(real: Asker, choice: Any) -> None:
    answer = real.chat(
        MODEL,
        "What is the weather in Rome?",
        max_tokens=120,
        tools=[WEATHER],
        tool_choice=choice,
        parallel_tool_calls=False,
    )
    (call,) = answer.calls
    assert call["function"]["name"] == "get_weather"
    jsonschema.validate(json.loads(call["function"]["arguments"]), WEATHER["function"]["parameters"])


def test_memory(memory_checked: Callable[[str], None], alone: list[Answer]) -> None:
    memory_checked(MODEL)


def test_four_bits_answer_as_mlx_lm_does(real: Asker) -> None:
    """Quantised products are slow on a CPU: one short answer."""
    name, text = "smollm2-4bit", CHATS[0]
    ours = real.chat(name, text, max_tokens=8, logprobs=True, top_logprobs=TOP)
    with library(MODELS / name) as loaded:
        message = [{"role": "user", "content": text}]
        theirs = loaded.answer(list(loaded.tokenizer.apply_chat_template(message, add_generation_prompt=True)), 8)
    same(ours, theirs.tokens, theirs.text, theirs.top)
    real.unload(name)
    real.unload(MODEL)
