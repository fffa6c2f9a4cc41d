from __future__ import annotations

import json

import numpy as np
import pytest

from tests.fakes.llm_tokenizer import compiler, ids, tokenizer
from workers.generation.detokenizer import Vocabulary
from workers.generation.grammar.digits import MOST, DigitLimit, DigitTokens


@pytest.fixture(scope="module")
def tokens() -> DigitTokens:
    return DigitTokens(compiler().width, Vocabulary(tokenizer()).bytes_of)


def may_follow(tokens: DigitTokens, schema: object, text: str, then: str) -> bool:
    grammar = json.dumps({"grammars": [{"json_schema": schema}]})
    (matcher,) = compiler().matchers(grammar, 1, None)
    limit = DigitLimit(tokens)
    for token in ids(text):
        assert matcher.consume_token(token)
        limit.take(token)
    mask = np.zeros((compiler().width + 31) // 32, dtype=np.int32)
    matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
    limit.apply(mask)
    token = ids(then)[0]
    return bool(mask[token // 32] >> (token % 32) & 1)


@pytest.mark.parametrize("head", ["", "-", "0.", "1e", "2.5e-", "7" * MOST + "."])
def test_numbers_end(tokens: DigitTokens, head: str) -> None:
    assert may_follow(tokens, {"type": "number"}, head + "1" * (MOST - 1), "1")
    assert not may_follow(tokens, {"type": "number"}, head + "1" * MOST, "1")


def test_a_number_goes_on_with_what_is_no_digit(tokens: DigitTokens) -> None:
    assert may_follow(tokens, {"type": "number"}, "1" * MOST, ".")
    assert may_follow(tokens, {"type": "array", "items": {"type": "integer"}}, "[" + "1" * MOST, ",")


def test_numbers_in_free_maps_end(tokens: DigitTokens) -> None:
    assert not may_follow(tokens, {"type": "object"}, '{"a":' + "1" * MOST, "1")


def test_texts_have_any_digits(tokens: DigitTokens) -> None:
    assert may_follow(tokens, {"type": "string"}, '"' + "1" * 3 * MOST, "1")
    assert may_follow(tokens, {"type": "string", "pattern": "^[0-9]{40}$"}, '"' + "1" * 30, "1")
