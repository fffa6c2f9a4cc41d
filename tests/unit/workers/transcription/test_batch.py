"""The batch against mlx-audio's own decoder, on the demo's weights."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from tests.fakes.hearing import DEMO, PHRASES, samples_of, saved
from workers.transcription.batch import DecodeBatch, Row
from workers.transcription.loader import Loaded, load
from workers.transcription.mel import log_mel


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(DEMO, mx.float32)


def sound(loaded: Loaded, *indices: int) -> mx.array:
    mels = [log_mel(samples_of(saved(index)), loaded.filters, loaded.frames) for index in indices]
    encoded: mx.array = loaded.model.encoder(mx.array(np.stack(mels)))
    return encoded


def row(loaded: Loaded, language: str = "en", *, room: int = 60, temperature: float = 0.0, seed: int = 1) -> Row:
    prompt = loaded.vocabulary.prompt(None, language, "transcribe", 0)
    return Row(prompt, temperature, seed, last_tick=300, room=room)


def finish(batch: DecodeBatch) -> None:
    while batch.rows:
        batch.step()


def test_it_reads_as_the_model_s_own_decoder_does(loaded: Loaded) -> None:
    heard = sound(loaded, 0)
    batch, one = DecodeBatch(loaded.model, loaded.vocabulary), row(loaded)
    batch.join([one], batch.listen(heard))
    finish(batch)
    tokens = [*one.prompt, *one.sampled]
    scores, _, _ = loaded.model.decoder(mx.array([tokens]), heard)
    best: Any = mx.argmax(scores[0, len(one.prompt) - 1 :], axis=-1).tolist()
    assert best == [*one.sampled, loaded.vocabulary.end]
    logprobs = np.array(scores[0] - mx.logsumexp(scores[0], axis=-1, keepdims=True))
    chosen = sum(logprobs[len(one.prompt) - 1 + at, token] for at, token in enumerate(best))
    assert one.sum_logprob == pytest.approx(chosen, abs=0.05)
    silent = mx.softmax(scores[0, 0])[loaded.vocabulary.no_speech].item()
    assert one.no_speech == pytest.approx(silent, abs=1e-4)


def test_rows_of_different_prompts_and_ages_don_t_touch_each_other(loaded: Loaded) -> None:
    expected = []
    for index in range(3):
        batch, one = DecodeBatch(loaded.model, loaded.vocabulary), row(loaded)
        batch.join([one], batch.listen(sound(loaded, index)))
        finish(batch)
        expected.append(one.sampled)
    batch = DecodeBatch(loaded.model, loaded.vocabulary)
    rows = [row(loaded) for _ in range(3)]
    rows[1].prompt = loaded.vocabulary.prompt("Thank you very much for your help.", "en", "transcribe", 99)
    batch.join(rows[:1], batch.listen(sound(loaded, 0)))
    batch.step()
    batch.step()
    batch.join(rows[1:], batch.listen(sound(loaded, 1, 2)))
    finish(batch)
    assert [one.sampled for one in rows] == expected


def test_a_row_that_leaves_frees_its_place(loaded: Loaded) -> None:
    batch = DecodeBatch(loaded.model, loaded.vocabulary)
    rows = [row(loaded) for _ in range(4)]
    batch.join(rows, batch.listen(sound(loaded, 0, 1, 2, 3)))
    batch.step()
    batch.remove([rows[0], rows[2]])
    assert {id(one) for one in batch.rows} == {id(rows[1]), id(rows[3])}
    finish(batch)
    texts = [loaded.vocabulary.decode(one.sampled).strip() for one in (rows[1], rows[3])]
    assert texts == [PHRASES[1]["text"], PHRASES[3]["text"]]
    assert batch.nbytes == 0


def test_storage_never_exceeds_the_limit(loaded: Loaded) -> None:
    batch = DecodeBatch(loaded.model, loaded.vocabulary, limit=5)
    sizes = []
    for _ in range(5):
        batch.join([row(loaded)], batch.listen(sound(loaded, 0)))
        sizes.append(batch.nbytes)
    assert [round(size / sizes[0]) for size in sizes] == [1, 2, 4, 4, 5]
    batch.remove(list(batch.rows))


def test_a_row_stops_when_its_room_is_used_up(loaded: Loaded) -> None:
    batch, one = DecodeBatch(loaded.model, loaded.vocabulary), row(loaded, room=3)
    batch.join([one], batch.listen(sound(loaded, 0)))
    finish(batch)
    assert len(one.sampled) == 3
    assert one.full
    assert not one.ended


def test_a_draw_depends_on_its_own_seed_only(loaded: Loaded) -> None:
    def drawn(*others: Row) -> list[int]:
        batch, one = DecodeBatch(loaded.model, loaded.vocabulary), row(loaded, temperature=4.0, seed=7, room=20)
        batch.join([*others, one], batch.listen(sound(loaded, *range(len(others)), 3)))
        finish(batch)
        return one.sampled

    alone = drawn()
    assert drawn(row(loaded), row(loaded, temperature=1.0, seed=9)) == alone
    greedy = row(loaded)
    batch = DecodeBatch(loaded.model, loaded.vocabulary)
    batch.join([greedy], batch.listen(sound(loaded, 3)))
    finish(batch)
    assert greedy.sampled[: len(alone)] != alone


def test_languages_are_told_apart(loaded: Loaded) -> None:
    batch = DecodeBatch(loaded.model, loaded.vocabulary)
    assert batch.detect(batch.listen(sound(loaded, *range(len(PHRASES))))) == [phrase["language"] for phrase in PHRASES]


def test_text_grows_beyond_the_first_reservation(loaded: Loaded) -> None:
    """Storage for text grows by 64 positions; the row's first tokens must survive that."""
    batch, one = DecodeBatch(loaded.model, loaded.vocabulary), row(loaded)
    one.prompt = loaded.vocabulary.prompt("Never give up. " * 20, "en", "transcribe", 58)
    assert len(one.prompt) < 64
    batch.join([one], batch.listen(sound(loaded, 1)))
    before = batch.nbytes
    finishing = 0
    while batch.rows:
        batch.step()
        finishing = max(finishing, batch.nbytes)
    assert finishing > before
    scores, _, _ = loaded.model.decoder(mx.array([[*one.prompt, *one.sampled]]), sound(loaded, 1))
    logprobs = np.array(scores[0] - mx.logsumexp(scores[0], axis=-1, keepdims=True))
    total = sum(logprobs[len(one.prompt) - 1 + at, token] for at, token in enumerate(one.sampled))
    assert one.sum_logprob >= total - 0.05
