"""all-MiniLM-L6-v2 through a node: the similarities that its publisher states, and a BERT written out in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from gateway.cli.check import examine
from scripts.real_weights.catalogue import MODELS
from shared.config import ModelConfig
from tests.real.node import Asker

MODEL = "minilm"
FOLDER = MODELS / MODEL
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no build/real/models/{MODEL}")
Array = NDArray[np.float32]
TEXTS = (
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "def add(a, b):\n    return a + b",
    "Où est la bibliothèque, s'il vous plaît ?",
    "word " * 200,
)
# https://sbert.net/docs/quickstart.html
PUBLISHED = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}


@pytest.fixture(scope="module")
def vectors(real: Asker) -> Array:
    data = real.post("/v1/embeddings", json={"model": MODEL, "input": list(TEXTS)}).json()["data"]
    return np.array([one["embedding"] for one in data], np.float32)


def test_similarities_are_the_published_ones(vectors: Array) -> None:
    for (one, other), similarity in PUBLISHED.items():
        assert round(float(vectors[one] @ vectors[other]), 4) == similarity


def test_vectors_are_those_of_a_bert_in_numpy(vectors: Array, figure: Callable[[str, str], None]) -> None:
    weights = load_file(FOLDER / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    cosines = [
        float(bert(tokenizer.encode(text).ids, weights) @ ours) for text, ours in zip(TEXTS, vectors, strict=True)
    ]
    figure("minilm against numpy", f"cosine {min(cosines):.6f} at least")
    assert min(cosines) > 0.99999


def test_alone_is_what_it_is_in_a_batch(real: Asker, vectors: Array) -> None:
    alone = real.post("/v1/embeddings", json={"model": MODEL, "input": TEXTS[1]}).json()["data"][0]["embedding"]
    np.testing.assert_allclose(alone, vectors[1], atol=1e-5)


def test_check_tells_the_workers_limit(real: Asker, vectors: Array) -> None:
    assert examine(MODEL, ModelConfig(source=str(FOLDER))).context == real.worker(MODEL)["context"] == 256


def test_memory(memory_checked: Callable[[str], None], vectors: Array) -> None:
    memory_checked(MODEL)


def bert(ids: list[int], w: dict[str, Array], heads: int = 12) -> Array:
    """The mean of the last hidden states, normalised."""
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = layer_norm(x + w["embeddings.token_type_embeddings.weight"][0], w, "embeddings.LayerNorm")
    for layer in range(sum(name.endswith("attention.self.query.weight") for name in w)):
        at = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, w, f"{at}.attention.self.{name}").reshape(len(ids), heads, -1).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = layer_norm(x + linear(mixed, w, f"{at}.attention.output.dense"), w, f"{at}.attention.output.LayerNorm")
        y = linear(x, w, f"{at}.intermediate.dense")
        y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
        x = layer_norm(x + linear(y, w, f"{at}.output.dense"), w, f"{at}.output.LayerNorm")
    mean = x.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def linear(x: Array, w: dict[str, Array], name: str) -> Array:
    return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])


def layer_norm(x: Array, w: dict[str, Array], name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return np.asarray(scaled * w[f"{name}.weight"] + w[f"{name}.bias"])
