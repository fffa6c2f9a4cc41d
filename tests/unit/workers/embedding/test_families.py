"""Every family: a padded batch equals its rows alone, and the vectors equal an independent reckoning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_embeddings.models import bert

from shared.errors import ConfigError
from tests.unit.workers.embedding.drive import embed, run, start, vectors
from tests.unit.workers.embedding.tiny import CONFIGS, CONTEXT, HIDDEN, build, sentence, write_tokenizer
from workers.embedding.batch import collate
from workers.embedding.engine import EmbeddingEngine
from workers.embedding.job import Item
from workers.embedding.probe import rows_for

LENGTHS = (1, 40, 3, 200, 7, 2, 90, 41, 39, 38)


@pytest.fixture(params=sorted(CONFIGS))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddingEngine:
    made, _ = start(build(request.param, tmp_path))
    assert isinstance(made, EmbeddingEngine)
    return made


def test_one_padded_batch_equals_its_rows_alone(engine: EmbeddingEngine) -> None:
    items = [Item([(5 * n + i) % 60 + 6 for i in range(n)]) for n in LENGTHS]
    together = engine._rows(items, 210)
    alone = np.concatenate([engine._rows([item], len(item.tokens)) for item in items])
    assert engine._ragged
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.abs(alone - alone.mean(axis=0)).max() > 0.1  # the rows differ enough for the comparison to mean anything


def test_a_request_of_many_lengths_equals_requests_of_one(engine: EmbeddingEngine) -> None:
    texts = [sentence(n, n) for n in LENGTHS]
    together = vectors(run(engine, embed("a", *texts))["a"])
    alone = np.concatenate([vectors(run(engine, embed("b", text))["b"]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "xlm_roberta", "modernbert", "qwen3", "llama_bidirec"])
def test_vectors_are_the_librarys_own_for_its_way_of_pooling(family: str, tmp_path: Path) -> None:
    engine, _ = start(build(family, tmp_path))
    ids = [2, *range(10, 40), 3]
    mask = mx.ones((1, len(ids)), dtype=mx.float32 if family == "modernbert" else mx.int32)
    expected = np.array(engine._loaded.model(mx.array([ids]), attention_mask=mask).text_embeds)
    np.testing.assert_allclose(vectors(run(engine, embed("a", tuple(ids)))["a"]), expected, atol=1e-5)


def test_gemma_within_its_window_equals_the_library(tmp_path: Path) -> None:
    engine, _ = start(build("gemma3_text", tmp_path))
    ids = [2, *range(10, 17), 3]
    expected = np.array(engine._loaded.model(mx.array([ids])).text_embeds)
    np.testing.assert_allclose(vectors(run(engine, embed("a", tuple(ids)))["a"]), expected, atol=1e-5)


def test_gemma_beyond_its_window_sees_only_the_window(tmp_path: Path) -> None:
    """One local layer: a token's state doesn't change with one nine places away, and does with one eight away."""
    folder = build("gemma3_text", tmp_path, num_hidden_layers=1)
    engine, _ = start(folder)
    assert isinstance(engine, EmbeddingEngine)

    def first(ids: list[int]) -> Any:
        return np.array(engine._family.hidden(engine._loaded.model, collate([Item(ids)], len(ids), 0))[0, 0])

    base = list(range(10, 30))
    near, far = [*base], [*base]
    near[8], far[9] = 60, 60
    np.testing.assert_allclose(first(far), first(base), atol=1e-6)
    assert np.abs(first(near) - first(base)).max() > 1e-4


@pytest.mark.parametrize(
    ("stated", "place"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean"),
    ],
)
def test_the_folder_says_how_to_pool(stated: dict[str, Any], place: str, tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    engine, _ = start(folder)
    ids = (2, 10, 20, 30, 3)
    hidden = np.array(engine._loaded.model(mx.array([ids])).last_hidden_state)[0]
    expected = {"cls": hidden[0], "last": hidden[-1], "mean": hidden.mean(axis=0)}[place]
    got = vectors(run(engine, embed("a", ids, tuple(range(10, 60))))["a"])[0]
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-5)


def test_a_way_of_pooling_that_is_missing_is_an_error(tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(ConfigError, match="pools by max_tokens"):
        start(folder)


def test_a_last_token_model_reads_the_end_token_once(tmp_path: Path) -> None:
    engine, _ = start(build("qwen3", tmp_path))
    text, ids = vectors(run(engine, embed("a", "w1 w2", (7, 8, 3)))["a"])
    np.testing.assert_allclose(text, ids, atol=1e-5)
    folder = build("qwen3", tmp_path / "closing")
    write_tokenizer(folder, closing=True)
    engine, _ = start(folder)
    assert engine._inputs._encode(["w1 w2"]) == [[2, 7, 8, 3]]


def test_prompts_of_the_folder_go_before_texts(tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "w9 ", "document": "w8 "}, "default_prompt_name": "document"}'
    )
    engine, _ = start(folder)
    plain, with_prompt = vectors(run(engine, embed("a", "w1", (2, 14, 7, 3)))["a"])
    np.testing.assert_allclose(plain, with_prompt, atol=1e-5)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_half_precision_batches_whatever_padding_does(family: str, dtype: mx.Dtype, tmp_path: Path) -> None:
    folder = build(family, tmp_path)
    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    mx.save_safetensors(str(folder / "model.safetensors"), {name: w.astype(dtype) for name, w in weights.items()})
    engine, _ = start(folder)
    # In float16 ModernBERT's mask is infinite: a row of padding without text in its window becomes NaN and spreads.
    assert engine._ragged == (not (family == "modernbert" and dtype == mx.float16))
    texts = [sentence(n, n) for n in LENGTHS]
    together = vectors(run(engine, embed("a", *texts))["a"])
    alone = np.concatenate([vectors(run(engine, embed("b", text))["b"]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-2)


def test_the_probe_finds_a_wrong_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = bert.Model.get_extended_attention_mask
    monkeypatch.setattr(
        bert.Model, "get_extended_attention_mask", lambda self, mask: blind(self, mx.ones_like(mask)), raising=True
    )
    engine, _ = start(build("bert", tmp_path))
    assert not engine._ragged
    texts = [sentence(n, n) for n in (4, 5, 6, 5)]
    alone = np.concatenate([vectors(run(engine, embed("b", text))["b"]) for text in texts])
    np.testing.assert_allclose(vectors(run(engine, embed("a", *texts))["a"]), alone, atol=1e-5)


def test_the_probe_fits_small_vocabularies_and_contexts() -> None:
    items = rows_for(vocab_size=5, context=8)
    assert max(len(item.tokens) for item in items) == 8
    assert all(0 <= token < 5 for item in items for token in item.tokens)


def test_ready_tells_what_the_model_is(engine: EmbeddingEngine, tmp_path: Path) -> None:
    _, ready = start(build("bert", tmp_path / "other"), context=100)
    assert (ready.kind, ready.dimensions, ready.context) == ("embedding", HIDDEN, 100)
    assert ready.capabilities == ("embed", "rerank")
    assert ready.weights > 0
    assert engine._context == CONTEXT


def test_a_family_that_the_library_lacks_is_named(tmp_path: Path) -> None:
    folder = build("bert", tmp_path, model_type="mpnet")
    with pytest.raises(ConfigError, match="'mpnet' can't embed text here; bert, xlm_roberta"):
        start(folder)
