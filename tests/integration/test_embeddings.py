"""Embeddings by the official OpenAI client, and rerank."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from openai import OpenAI
from tokenizers import Tokenizer

from tests.integration.node import DEMO, PATIENCE, Node

TEXTS = ["What is the weather?", "Will it rain?", "def add(a, b): return a + b"]


@pytest.fixture(scope="module")
def lenient(full_node: Node) -> Iterator[OpenAI]:
    """As users have it. It asks for base64 by itself and then finds no list of floats, were it strict."""
    with OpenAI(base_url=full_node.url + "/v1", api_key="none", max_retries=0) as found:
        yield found


def _likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def test_floats_and_base64_agree(full_client: OpenAI, lenient: OpenAI) -> None:
    floats = full_client.embeddings.create(model="demo-embed", input=TEXTS, encoding_format="float")
    packed = lenient.embeddings.create(model="demo-embed", input=TEXTS)
    assert [row.index for row in floats.data] == [0, 1, 2]
    for one, other in zip(floats.data, packed.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-4)
    assert floats.usage == packed.usage
    assert floats.usage.prompt_tokens == floats.usage.total_tokens > len(TEXTS)


def test_a_text_has_the_same_vector_alone_and_in_company(lenient: OpenAI) -> None:
    together = lenient.embeddings.create(model="demo-embed", input=TEXTS).data
    for text, row in zip(TEXTS, together, strict=True):
        alone = lenient.embeddings.create(model="demo-embed", input=text).data[0]
        assert alone.embedding == pytest.approx(row.embedding, abs=1e-4)


def test_dimensions_shorten_to_length_one_again(full_client: OpenAI) -> None:
    whole = full_client.embeddings.create(model="demo-embed", input="rain", encoding_format="float").data[0].embedding
    short = full_client.embeddings.create(model="demo-embed", input="rain", encoding_format="float", dimensions=32)
    cut = whole[:32]
    assert short.data[0].embedding == pytest.approx([x / math.hypot(*cut) for x in cut], abs=1e-4)


def test_token_ids_are_taken_as_texts_are(lenient: OpenAI) -> None:
    ids = Tokenizer.from_file(str(DEMO / "demo-embed" / "tokenizer.json")).encode("Will it rain?").ids
    text = lenient.embeddings.create(model="demo-embed", input="Will it rain?")
    tokens = lenient.embeddings.create(model="demo-embed", input=[ids, ids])
    assert len(tokens.data) == 2
    for row in tokens.data:
        assert row.embedding == pytest.approx(text.data[0].embedding, abs=1e-4)


def test_related_sentences_are_nearer_than_unrelated_ones(lenient: OpenAI) -> None:
    weather, rain, code = (row.embedding for row in lenient.embeddings.create(model="demo-embed", input=TEXTS).data)
    assert _likeness(weather, rain) > _likeness(weather, code)
    assert _likeness(weather, rain) > _likeness(rain, code)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_rerank_puts_what_answers_first(full_node: Node, path: str) -> None:
    documents = ["the code compiles", "it is raining today", "my dog is asleep"]

    def ask(**more: Any) -> Any:
        body = {"model": "demo-embed", "query": "rain", "documents": documents, **more}
        answer = httpx.post(full_node.url + path, json=body, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    results = ask()
    assert sorted(one["index"] for one in results) == [0, 1, 2]
    assert results[0]["index"] == 1
    scores = [one["relevance_score"] for one in results]
    assert scores == sorted(scores, reverse=True)
    assert [one["index"] for one in ask(top_n=1)] == [1]
