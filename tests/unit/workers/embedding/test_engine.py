from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from shared.errors import ConfigError, ContextLengthExceeded, InvalidRequest, WrongModality
from shared.messages import Accepted, Detokenize, Embed, EmbedInput, Failed, Finished, Rerank
from shared.spec import WorkerSpec
from tests.unit.workers.embedding.drive import embed, endings, run, scores, start, vectors
from tests.unit.workers.embedding.tiny import CONTEXT, HIDDEN, VOCAB, build, sentence
from workers.embedding.engine import BatchEngine, EmbeddingEngine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture
def engine(folder: Path) -> BatchEngine:
    return start(folder)[0]


# ------------------------------------------------------------------ answers
def test_usage_counts_tokens_without_padding(engine: BatchEngine) -> None:
    prepared = engine.prepare(embed("a", sentence(5), sentence(30), (2, 9, 3)), ())
    tokens = 7 + 32 + 3
    assert engine.admit(prepared) == (Accepted("a", tokens),)
    deltas = [delta for _ in iter(lambda: engine.busy, False) for delta in engine.step()]
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].usage.prompt_tokens == tokens
    assert engine.stats().prompt_tokens == tokens


def test_token_ids_are_taken_as_they_are(engine: BatchEngine) -> None:
    text, ids = vectors(run(engine, embed("a", "w1 w2 w3", (2, 7, 8, 9, 3)))["a"])
    np.testing.assert_allclose(text, ids, atol=1e-6)


def test_dimensions_cut_and_normalise(engine: BatchEngine) -> None:
    whole = vectors(run(engine, embed("a", sentence(4), sentence(9)))["a"])
    short = vectors(run(engine, embed("a", sentence(4), sentence(9), dimensions=5))["a"])
    cut = whole[:, :5]
    np.testing.assert_allclose(short, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-6)
    assert vectors(run(engine, embed("a", "w1", dimensions=HIDDEN))["a"]).shape == (1, HIDDEN)


def test_vectors_come_in_the_order_of_the_inputs_and_once(engine: BatchEngine) -> None:
    texts = [sentence(n) for n in (60, 1, 30, 2)]
    deltas = run(engine, embed("a", *texts))["a"]
    assert len(deltas) == 2
    for place, text in enumerate(texts):
        alone = vectors(run(engine, embed("b", text))["b"])[0]
        np.testing.assert_allclose(vectors(deltas)[place], alone, atol=1e-5)


def test_300_inputs_at_once(engine: BatchEngine) -> None:
    texts = [sentence(1 + n % 37, n) for n in range(300)]
    got = vectors(run(engine, embed("a", *texts))["a"])
    assert got.shape == (300, HIDDEN)
    for place in (0, 36, 150, 299):
        np.testing.assert_allclose(got[place], vectors(run(engine, embed("b", texts[place]))["b"])[0], atol=1e-5)
    assert engine.stats().steps < 200


def test_requests_share_a_batch(engine: BatchEngine) -> None:
    for name in "abcdefgh":
        engine.admit(engine.prepare(embed(name, sentence(3)), ()))
    assert len([delta for delta in engine.step() if isinstance(delta, Finished)]) == 8


def test_an_embedding_model_ranks_by_cosine(engine: BatchEngine) -> None:
    texts = [sentence(6, 1), sentence(6, 1), sentence(7, 2), ""]
    query, *documents = texts
    got = scores(run(engine, Rerank("r", query, tuple(documents)))["r"])
    rows = vectors(run(engine, embed("a", *texts[:3], (2, 3)))["a"])
    np.testing.assert_allclose(got, (1 + rows[1:] @ rows[0]) / 2, atol=1e-5)
    assert got[0] == pytest.approx(1, abs=1e-5)


def test_ranking_counts_the_query_and_the_documents(engine: BatchEngine) -> None:
    finished = run(engine, Rerank("r", "w1", ("w1 w2", "w3")))["r"][-1]
    assert isinstance(finished, Finished)
    assert finished.usage.prompt_tokens == 3 + 4 + 3


# ------------------------------------------------------------------ fairness and cancel
def test_a_single_input_overtakes_2000(engine: BatchEngine) -> None:
    engine.admit(engine.prepare(embed("long", *[sentence(20, n) for n in range(2000)]), ()))
    engine.step()
    engine.admit(engine.prepare(embed("single", "w1"), ()))
    ended = [delta.request for _ in range(2) for delta in engine.step() if isinstance(delta, Finished)]
    assert ended == ["single"]
    assert len(engine.cancel("long")) == 1


def test_shorter_requests_end_before_longer_ones(engine: BatchEngine) -> None:
    engine._pacer = FixedBudget(100)
    for name, count in (("huge", 60), ("middle", 20), ("small", 4)):
        engine.admit(engine.prepare(embed(name, *[sentence(18, n) for n in range(count)]), ()))
    assert endings(engine) == ["small", "middle", "huge"]


class FixedBudget:
    def __init__(self, budget: int) -> None:
        self.budget = budget

    def observe(self, seconds: float, tokens: int) -> None:
        return None


def test_cancel_before_and_between_steps(engine: BatchEngine) -> None:
    engine._pacer = FixedBudget(100)
    for name in ("a", "b"):
        engine.admit(engine.prepare(embed(name, *[sentence(18, n) for n in range(20)]), ()))
    engine.step()
    (failed,) = engine.cancel("a")
    assert isinstance(failed, Failed)
    assert failed.code == "cancelled"
    assert 0 < failed.usage.prompt_tokens < 20 * 20
    assert engine.cancel("a") == ()
    assert endings(engine) == ["b"]
    assert not engine.busy
    assert engine.step() == ()


def test_a_trim_between_steps_changes_no_answer(engine: BatchEngine) -> None:
    engine._pacer = FixedBudget(100)
    engine.admit(engine.prepare(embed("a", *[sentence(18)] * 20), ()))
    engine.step()
    engine.trim(0)
    assert mx.get_cache_memory() == 0
    assert endings(engine) == ["a"]


def test_stats_tell_running_from_waiting(engine: BatchEngine) -> None:
    engine._pacer = FixedBudget(100)
    engine.admit(engine.prepare(embed("a", *[sentence(18)] * 20), ()))
    assert (engine.stats().running, engine.stats().waiting) == (0, 1)
    engine.step()
    assert (engine.stats().running, engine.stats().waiting) == (1, 0)
    engine.close()
    assert not engine.busy


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("work", "error", "param"),
    [
        (Embed("a", ()), InvalidRequest, "input"),
        (embed("a", ""), InvalidRequest, "input"),
        (embed("a", "w1", ""), InvalidRequest, "input[1]"),
        (embed("a", ()), InvalidRequest, "input"),
        (Embed("a", (EmbedInput(),)), InvalidRequest, "input"),
        (embed("a", (2, VOCAB)), InvalidRequest, "input"),
        (embed("a", "w1", (2, -1)), InvalidRequest, "input[1]"),
        (embed("a", "w1", dimensions=0), InvalidRequest, "dimensions"),
        (embed("a", "w1", dimensions=-3), InvalidRequest, "dimensions"),
        (embed("a", "w1", dimensions=HIDDEN + 1), InvalidRequest, "dimensions"),
        (embed("a", "w1", sentence(CONTEXT)), ContextLengthExceeded, "input[1]"),
        (embed("a", tuple([2] * (CONTEXT + 1))), ContextLengthExceeded, "input"),
        (Rerank("a", "", ("w1",)), InvalidRequest, "query"),
        (Rerank("a", "w1", ()), InvalidRequest, "documents"),
        (Rerank("a", sentence(CONTEXT), ("w1",)), ContextLengthExceeded, "query"),
        (Rerank("a", "w1", ("w1", sentence(CONTEXT))), ContextLengthExceeded, "documents[1]"),
        (Detokenize("a", (1,)), WrongModality, "model"),
    ],
)
def test_what_the_model_cannot_read_is_refused_by_name(
    engine: BatchEngine, work: Any, error: type[InvalidRequest], param: str
) -> None:
    with pytest.raises(error) as caught:
        engine.prepare(work, ())
    assert caught.value.param == param
    assert not engine.busy


def test_the_longest_input_fits_and_one_more_token_does_not(engine: BatchEngine) -> None:
    assert vectors(run(engine, embed("a", sentence(CONTEXT - 2)))["a"]).shape == (1, HIDDEN)
    with pytest.raises(ContextLengthExceeded, match=f"{CONTEXT} tokens, however input has {CONTEXT + 1}"):
        engine.prepare(embed("a", sentence(CONTEXT - 1)), ())


def test_the_publisher_states_the_longest_input(tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    assert start(folder)[1].context == 64


def test_positions_that_padding_takes_are_not_context(tmp_path: Path) -> None:
    folder = build("xlm_roberta", tmp_path, max_position_embeddings=66)
    engine, ready = start(folder)
    assert ready.context == 64
    assert np.isfinite(vectors(run(engine, embed("a", sentence(62)))["a"])).all()


def test_numbers_that_overflow_fail_the_request_alone(engine: BatchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    true = engine._rows

    def broken(items: Any, width: int) -> Any:
        rows = true(items, width)
        rows[[len(item.tokens) == 9 for item in items]] = np.nan
        return rows

    monkeypatch.setattr(engine, "_rows", broken)
    found = run(engine, embed("bad", sentence(7)), embed("good", sentence(6)))
    (failed,) = found["bad"]
    assert isinstance(failed, Failed)
    assert failed.code == "internal_error"
    assert vectors(found["good"]).shape == (1, HIDDEN)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "can't be read"),
        ("config.json", "[]", "names a model_type"),
        ("model.safetensors", "junk", "can't be loaded"),
        ("1_Pooling/config.json", "x", "can't be read"),
    ],
)
def test_a_broken_folder_says_what_is_wrong(file: str, content: str, message: str, tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(content)
    with pytest.raises(ConfigError, match=message):
        EmbeddingEngine().load(WorkerSpec("e", 1, "ipc://x", str(folder)), lambda *_: None)
