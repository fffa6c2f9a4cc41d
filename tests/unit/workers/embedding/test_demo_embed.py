"""demo-embed as it is committed, through the same code as any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import configs
from shared.detect import detect_kind
from shared.messages import Rerank
from tests.unit.workers.embedding.drive import embed, run, scores, start, vectors
from workers.embedding.engine import BatchEngine

FOLDER = Path(configs.__file__).parent / "demo" / "demo-embed"


@pytest.fixture(scope="module")
def engine() -> BatchEngine:
    return start(FOLDER)[0]


def test_it_is_found_to_be_an_embedding_model_of_a_few_megabytes() -> None:
    assert detect_kind(FOLDER) == "embedding"
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 3 * 2**20


@pytest.mark.parametrize(
    ("text", "related", "unrelated"),
    [
        ("That is a happy person", "That is a very happy person", "The compiler reports an error"),
        ("Will it rain tomorrow?", "The forecast says it is cloudy and wet", "He plays the guitar"),
        ("My program crashes", "There is a bug in the software", "We ate a delicious cake"),
        ("I booked a hotel near the beach", "Our holiday trip starts at the airport", "The doctor has medicine"),
        ("How do I start the gateway server?", "Which command runs mlx-gateway?", "The cat sleeps on the sofa"),
        ("The orchestra gives a concert", "She sings a song and plays the piano", "Stock prices fell"),
        ("The planet orbits the star", "An astronaut looks at the moon", "Bake the bread in the oven"),
    ],
)
def test_related_sentences_are_nearer_than_unrelated_ones(
    engine: BatchEngine, text: str, related: str, unrelated: str
) -> None:
    rows = vectors(run(engine, embed("a", text, related, unrelated))["a"])
    near, far = rows[1:] @ rows[0]
    assert near > far + 0.2


def test_it_ranks_documents(engine: BatchEngine) -> None:
    documents = (
        "Pasta with tomato sauce is an easy recipe for dinner.",
        "One YAML file describes the node and its models.",
        "The team won the football match.",
    )
    ranked = scores(run(engine, Rerank("r", "Where is the configuration of the gateway?", documents))["r"])
    assert int(np.argmax(ranked)) == 1


def test_long_texts_are_read_too(engine: BatchEngine) -> None:
    long = "It rains, the wind is cold and the storm brings snow. " * 14
    rows = vectors(run(engine, embed("a", long, "What is the weather like?", "The teacher explains mathematics"))["a"])
    near, far = rows[1:] @ rows[0]
    assert near > far
