"""Cross-encoders against heads reckoned with numpy on the library's own encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.nn.layers.linear import Linear
from mlx_embeddings.models import bert, qwen3, xlm_roberta
from mlx_embeddings.utils import load_model

from shared.errors import ConfigError, ContextLengthExceeded, InvalidRequest, WrongModality
from shared.messages import Finished, Rerank
from tests.unit.workers.embedding.drive import embed, run, scores, start
from tests.unit.workers.embedding.tiny import CONTEXT, HIDDEN, SPECIAL, WORDS, build, sentence
from workers.embedding.crossencoder import RobertaArgs, RobertaHead
from workers.embedding.engine import RerankEngine

QUERY = "w1 w2 w3"
DOCUMENTS = ("w4", sentence(40, 3), "", sentence(9, 5), "w1 w2 w3")


class Bert(bert.Model):  # type: ignore[misc]
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = Linear(HIDDEN, CLASSES)


class Roberta(xlm_roberta.Model):  # type: ignore[misc]
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = RobertaHead(HIDDEN, CLASSES)


class Untied(qwen3.Model):  # type: ignore[misc]
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.lm_head = Linear(HIDDEN, config.vocab_size, bias=False)


CLASSES = 1
REGRESSION = {"architectures": ["ModernBertForSequenceClassification"], "is_regression": True}


def rank(folder: Path) -> tuple[tuple[float, ...], RerankEngine]:
    engine, ready = start(folder, RerankEngine)
    assert (ready.kind, ready.capabilities, ready.dimensions) == ("reranker", ("rerank",), 0)
    got = scores(run(engine, Rerank("r", QUERY, DOCUMENTS))["r"])
    alone = [scores(run(engine, Rerank("r", QUERY, (document,)))["r"])[0] for document in DOCUMENTS]
    np.testing.assert_allclose(got, alone, atol=1e-5)
    assert max(got) - min(got) > 1e-3
    assert isinstance(engine, RerankEngine)
    return got, engine


def ids_of(*texts: str) -> list[int]:
    vocabulary = [*SPECIAL, *WORDS]
    ids = [2]
    for text in texts:
        ids += [vocabulary.index(word) for word in text.split()] + [3]
    return ids


def sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


def raw(folder: Path) -> dict[str, Any]:
    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    return {name: np.array(weight) for name, weight in weights.items()}


def test_bert(tmp_path: Path) -> None:
    folder = build("bert", tmp_path, model=Bert, prefix="bert")
    got, engine = rank(folder)
    w = raw(folder)
    for score, document in zip(got, DOCUMENTS, strict=True):
        ids, first = ids_of(QUERY, document), len(ids_of(QUERY))
        types = [0] * first + [1] * (len(ids) - first)
        output = bert.Model.__call__(engine._loaded.model, mx.array([ids]), mx.array([types]))
        pooled = np.tanh(
            np.array(output.last_hidden_state)[0, 0] @ w["bert.pooler.dense.weight"].T + w["bert.pooler.dense.bias"]
        )
        logit = pooled @ w["classifier.weight"][0] + w["classifier.bias"][0]
        assert score == pytest.approx(float(sigmoid(logit)), abs=1e-5)


def test_xlm_roberta(tmp_path: Path) -> None:
    folder = build("xlm_roberta", tmp_path, model=Roberta, args=RobertaArgs, prefix="roberta")
    got, engine = rank(folder)
    w = raw(folder)
    for score, document in zip(got, DOCUMENTS, strict=True):
        output = engine._loaded.model(mx.array([ids_of(QUERY, document)]))
        first = np.array(output.last_hidden_state)[0, 0]
        hidden = np.tanh(first @ w["classifier.dense.weight"].T + w["classifier.dense.bias"])
        logit = hidden @ w["classifier.out_proj.weight"][0] + w["classifier.out_proj.bias"][0]
        assert score == pytest.approx(float(sigmoid(logit)), abs=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_modernbert(pooling: str, tmp_path: Path) -> None:
    folder = build("modernbert", tmp_path, **REGRESSION, classifier_pooling=pooling)
    got, _ = rank(folder)
    library = load_model(folder, path_to_repo=str(folder))
    for score, document in zip(got, DOCUMENTS, strict=True):
        output = library(mx.array([ids_of(QUERY, document)]))
        assert score == pytest.approx(float(sigmoid(np.array(output.pooler_output)[0, 0])), abs=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_qwen3_says_yes_or_no(tied: bool, tmp_path: Path) -> None:
    kind = {} if tied else {"model": Untied}
    folder = build("qwen3", tmp_path, **kind, tie_word_embeddings=tied, max_position_embeddings=CONTEXT)
    got, engine = rank(folder)
    w = raw(folder)
    head = w["model.embed_tokens.weight" if tied else "lm_head.weight"]
    items = engine.prepare(Rerank("r", QUERY, DOCUMENTS), ()).items
    for score, item in zip(got, items, strict=True):
        last = np.array(engine._loaded.model(mx.array([item.tokens])).last_hidden_state)[0, -1]
        no, yes = (head[SPECIAL.index(word)] @ last for word in ("no", "yes"))
        assert score == pytest.approx(float(np.exp(yes) / (np.exp(yes) + np.exp(no))), abs=1e-5)


def test_two_classes_are_no_and_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "CLASSES", 2)
    folder = build("bert", tmp_path, model=Bert, prefix="bert")
    got, engine = rank(folder)
    w = raw(folder)
    ids = ids_of(QUERY, DOCUMENTS[0])
    types = mx.array([[0] * 5 + [1] * (len(ids) - 5)])
    pooled = np.array(engine._loaded.model(mx.array([ids]), types).pooler_output)[0]
    no, yes = pooled @ w["classifier.weight"].T + w["classifier.bias"]
    assert got[0] == pytest.approx(float(sigmoid(yes - no)), abs=1e-5)


def test_a_classifier_of_many_classes_is_no_reranker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "CLASSES", 5)
    with pytest.raises(ConfigError, match="sorts into 5 classes"):
        start(build("bert", tmp_path, model=Bert, prefix="bert"), RerankEngine)


def test_families_without_a_head_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'gemma3_text' can't rank documents here; bert"):
        start(build("gemma3_text", tmp_path), RerankEngine)


def test_an_embedding_folder_is_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be loaded"):
        start(build("bert", tmp_path), RerankEngine)


def test_a_tokenizer_without_yes_is_no_qwen3_reranker(tmp_path: Path) -> None:
    folder = build("qwen3", tmp_path)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["maybe"] = vocabulary.pop("yes")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ConfigError, match="no tokens `yes` and `no`"):
        start(folder, RerankEngine)


def test_usage_and_refusals(tmp_path: Path) -> None:
    engine, _ = start(build("bert", tmp_path, model=Bert, prefix="bert"), RerankEngine)
    finished = run(engine, Rerank("r", "w1", ("w2 w3", "w4")))["r"][-1]
    assert isinstance(finished, Finished)
    assert finished.usage.prompt_tokens == 6 + 5
    with pytest.raises(WrongModality, match="ranks documents"):
        engine.prepare(embed("a", "w1"), ())
    with pytest.raises(InvalidRequest, match="query is empty"):
        engine.prepare(Rerank("r", "", ("w1",)), ())
    with pytest.raises(ContextLengthExceeded) as caught:
        engine.prepare(Rerank("r", "w1", ("w1", sentence(CONTEXT))), ())
    assert caught.value.param == "documents[1]"
