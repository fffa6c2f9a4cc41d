"""Whatever the weights: an answer under a JSON Schema validates, or says that it was cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.messages import Generate, Grammar, Prompt, Sampling
from tests.fakes.llm_tokenizer import compiler, ids
from tests.fakes.schemas import schemas
from tests.text_driver import Driver, made_up
from workers.generation.grammar.answer import bind

AT_ONCE = 16
MAX_TOKENS = 400

# Random weights rarely close a text by themselves.
CLOSING = tuple((ids(character)[0], 5.0) for character in '"}]')


def begins(text: str, grammar: Grammar) -> bool:
    """Whether the text is the beginning of an answer."""
    bound = bind(Generate("r", Prompt(text="x"), grammar=grammar), None, None, "x", compiler().spell)
    assert bound is not None
    (matcher,) = compiler().matchers(bound.text, 1, None)
    return matcher.try_consume_tokens(ids(text)) == len(ids(text))


def check(schema: dict[str, Any], text: str, reason: str) -> bool:
    """Whether the answer is whole; a whole one validates, a cut one begins a valid one."""
    if reason == "length":
        whole = text.rstrip("\ufffd")  # a character may be cut
        assert begins(whole, Grammar("json_schema", json.dumps(schema)))
        return False
    dialect = jsonschema.Draft202012Validator
    jsonschema.validate(json.loads(text), schema, dialect, format_checker=dialect.FORMAT_CHECKER)
    return True


@given(batch=st.lists(schemas, min_size=AT_ONCE, max_size=AT_ONCE), seed=st.integers(0, 2**32))
@settings(
    max_examples=13,  # times 16
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def run_batches(driver: Driver, whole: list[bool], batch: list[dict[str, Any]], seed: int) -> None:
    driver.answers.clear()
    for place, schema in enumerate(batch):
        sampling = Sampling(temperature=1.0, seed=seed + place, max_tokens=MAX_TOKENS, logit_bias=CLOSING)
        prompt = Prompt(tokens=made_up(5 + place, seed % 97))
        driver.submit(Generate(f"r{place}", prompt, sampling, grammar=Grammar("json_schema", json.dumps(schema))))
    driver.drain()
    for place, schema in enumerate(batch):
        answer = driver.answers[f"r{place}"]
        whole.append(check(schema, answer.text[0], answer.finished[0].reason))


def test_two_hundred_random_schemas(driver: Callable[..., Driver]) -> None:
    whole: list[bool] = []
    run_batches(driver("qwen3", max_batch=AT_ONCE), whole)
    assert len(whole) >= 200
    assert sum(whole) > 0.9 * len(whole), "most answers should end by themselves"


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_answer_says_so(driver: Callable[..., Driver], seed: int) -> None:
    grammar = Grammar("json_schema", '{"type": "array", "items": {"type": "string", "minLength": 50}, "minItems": 5}')
    tiny = driver("qwen3")
    tiny.submit(
        Generate("r", Prompt(tokens=made_up(9, seed)), Sampling(1.0, seed=seed, max_tokens=30), grammar=grammar)
    )
    tiny.drain()
    answer = tiny.answers["r"]
    assert answer.finished[0].reason == "length"
    assert begins(answer.text[0].rstrip("\ufffd"), grammar)
