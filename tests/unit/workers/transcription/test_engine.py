"""The engine on demo-whisper: what is heard, alone and together, and every way a request can end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.supervisor.sizes import measure
from shared.config import ModelConfig
from shared.errors import InvalidRequest, WrongModality
from shared.messages import Blob, Embed, EmbedInput, Failed, Finished, Transcribe
from shared.spec import WorkerSpec
from tests.fakes.hearing import (
    DEMO,
    FORMATS,
    PHRASES,
    RATE,
    Answer,
    Listener,
    encoded,
    quiet,
    samples_of,
    saved,
    silero,
    tone,
)
from workers.platform.engine_args import EngineArgs
from workers.transcription import engine as engine_module
from workers.transcription.segments import LADDER
from workers.transcription.vad import SileroDetector

VOICES = [samples_of(saved(index)) for index in range(len(PHRASES))]


@pytest.fixture(scope="module")
def model() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.engine.close()


@pytest.fixture
def ears(model: Listener) -> Iterator[Listener]:
    model.answers.clear()
    yield model
    for request in list(model.answers):
        model.take(model.engine.cancel(request))
    assert not model.engine.busy
    assert model.engine.stats().running == 0


def finished(answer: Answer) -> Finished:
    assert isinstance(answer.end, Finished), answer.end
    assert answer.accepted
    return answer.end


def check_times(answer: Answer) -> None:
    last = 0.0
    assert answer.transcribed is not None
    for index, segment in enumerate(answer.segments):
        assert segment.index == index
        assert last <= segment.start <= segment.end <= answer.transcribed.duration + 0.05
        last = segment.end
        edges = [edge for word in segment.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert all(segment.start <= edge <= segment.end for edge in edges)


def spoken_file(order: list[int], pause: float = 2.5) -> np.ndarray:
    return np.concatenate([piece for index in order for piece in (VOICES[index], quiet(pause))])


# ------------------------------------------------------------------ what is heard
def test_it_says_what_it_can_do(model: Listener) -> None:
    assert model.ready.kind == "stt"
    assert model.ready.capabilities == ("timestamps", "translate")
    assert {"en", "de", "fr"} <= set(model.ready.languages)
    assert model.ready.weights > 0
    assert model.ready.voice_detector == "loudness"


def test_what_the_node_keeps_for_it_holds_several_rows(model: Listener) -> None:
    budget = measure("ears", ModelConfig(source=str(DEMO))).reservation()
    args = EngineArgs.from_spec(WorkerSpec("ears", 1, "", str(DEMO), memory_budget=budget))
    assert engine_module._row_limit(model.engine._loaded, args, 0) >= 4


def test_a_silero_beside_the_model_is_used_and_told(tmp_path: Path) -> None:
    silero(tmp_path / "silero-vad")
    name, make = engine_module._detector(tmp_path)
    assert name == "silero"
    assert isinstance(make(), SileroDetector)


@pytest.mark.parametrize("index", range(len(PHRASES)))
def test_phrases_come_back_word_for_word(ears: Listener, index: int) -> None:
    answer = ears.hear(saved(index))
    phrase = PHRASES[index]
    assert answer.text == phrase["text"]
    assert answer.transcribed is not None
    assert answer.transcribed.language == phrase["language"]
    assert answer.transcribed.duration == pytest.approx(len(VOICES[index]) / RATE, abs=0.01)
    usage = finished(answer).usage
    assert usage.audio_seconds == answer.transcribed.duration
    assert usage.completion_tokens > 3
    assert answer.segments[0].end == pytest.approx(len(VOICES[index]) / RATE, abs=0.35)
    check_times(answer)


@pytest.mark.parametrize("name", FORMATS)
def test_every_container_is_heard(ears: Listener, name: str) -> None:
    assert ears.hear(encoded(VOICES[0], name)).text == PHRASES[0]["text"]


@pytest.mark.parametrize("index", [i for i, phrase in enumerate(PHRASES) if phrase["english"]])
def test_translation_into_english(ears: Listener, index: int) -> None:
    answer = ears.hear(saved(index), task="translate")
    assert answer.text == PHRASES[index]["english"]
    assert answer.transcribed is not None
    assert answer.transcribed.language == PHRASES[index]["language"]


def test_a_named_language_is_taken_at_its_word(ears: Listener) -> None:
    answer = ears.hear(saved(0), language="English")
    assert answer.text == PHRASES[0]["text"]
    assert answer.transcribed is not None
    assert answer.transcribed.language == "en"


def test_the_prompt_is_read(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[list[int]] = []
    join = ears.engine._batch.join
    monkeypatch.setattr(
        ears.engine._batch, "join", lambda rows, keys: (prompts.extend(row.prompt for row in rows), join(rows, keys))
    )
    assert ears.hear(saved(0), prompt="Never give up.").text == PHRASES[0]["text"]
    vocabulary = ears.engine._loaded.vocabulary
    assert prompts[0][0] == vocabulary.previous
    assert vocabulary.decode(prompts[0][1 : prompts[0].index(vocabulary.start)]) == " Never give up."


def test_words_have_times(ears: Listener) -> None:
    answer = ears.hear(saved(0), word_timestamps=True)
    assert [word.text for word in answer.segments[0].words] == PHRASES[0]["text"].split()
    assert all(0 < word.probability <= 1 for word in answer.segments[0].words)
    check_times(answer)
    assert ears.hear(saved(0), "plain").segments[0].words == ()


def test_silence_and_noise_become_nothing(ears: Listener) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.05, 3 * RATE).astype(np.float32)
    sounds = {"silence": quiet(4), "hiss": hiss, "hum": tone(3, 100), "short": quiet(0.05)}
    for name, sound in sounds.items():
        answer = ears.hear(encoded(sound), name)
        assert answer.segments == [], name
        assert answer.transcribed is not None
        assert answer.transcribed.duration == pytest.approx(len(sound) / RATE, abs=0.01)
        assert finished(answer).usage.audio_seconds == answer.transcribed.duration


# ------------------------------------------------------------------ together
def test_eight_files_at_once_equal_one_by_one(ears: Listener) -> None:
    options: list[dict[str, Any]] = [
        {}, {"prompt": "Good morning, everyone."}, {"word_timestamps": True}, {"temperature": 0.0},
        {"language": "de", "task": "translate"}, {}, {"language": "en"}, {"temperature": 0.7},
    ]  # fmt: skip
    works = [(saved(index % len(PHRASES)), one) for index, one in enumerate(options)]
    alone = [ears.hear(data, f"alone{index}", **one) for index, (data, one) in enumerate(works)]
    for index, (data, one) in enumerate(works):
        ears.submit(Transcribe(f"together{index}", Blob(data), **one))
    most = 0
    while ears.engine.busy:
        ears.step()
        most = max(most, ears.engine.stats().running)
    assert most >= 6
    for index, expected in enumerate(alone):
        answer = ears.answers[f"together{index}"]
        finished(answer)
        assert answer.text == expected.text
        assert [s.tokens for s in answer.segments] == [s.tokens for s in expected.segments]
        assert [(s.start, s.end) for s in answer.segments] == [(s.start, s.end) for s in expected.segments]


def test_rows_join_and_leave_a_running_batch(ears: Listener) -> None:
    """Requests arrive at odd moments; nobody's text changes."""
    rng = random.Random(4)
    waiting = [(f"r{number}", number % len(PHRASES)) for number in range(14)]
    expected = dict(waiting)
    while waiting or ears.engine.busy:
        if waiting and rng.random() < 0.3:
            request, index = waiting.pop()
            ears.submit(Transcribe(request, Blob(saved(index))))
        if ears.engine.busy:
            ears.step()
    assert {request: answer.text for request, answer in ears.answers.items()} == {
        request: PHRASES[index]["text"] for request, index in expected.items()
    }


def test_a_long_file_comes_in_order_and_in_bounded_memory(ears: Listener) -> None:
    order = [random.Random(1).randrange(4) for _ in range(40)]
    sound = spoken_file(order)
    assert len(sound) / RATE > 150
    ears.submit(Transcribe("long", Blob(encoded(sound, "flac")), language="en", word_timestamps=True))
    most, held = 0, 0
    while ears.engine.busy:
        ears.step()
        stats = ears.engine.stats()
        most, held = max(most, stats.running), max(held, stats.waiting)
    answer = ears.answers["long"]
    assert [segment.text.strip() for segment in answer.segments] == [PHRASES[index]["text"] for index in order]
    check_times(answer)
    begins = np.cumsum([0.0] + [len(VOICES[index]) / RATE + 2.5 for index in order[:-1]])
    np.testing.assert_allclose([s.start for s in answer.segments], begins, atol=0.3)
    assert most > 1  # windows of one file share the batch
    assert held <= 2  # and are cut as they are needed


def test_running_rows_don_t_wait_for_many_windows(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    start = ears.engine._start
    monkeypatch.setattr(ears.engine, "_start", lambda chosen: (counts.append(len(chosen)), start(chosen)))
    for stall, expected in ((1e-9, [4, 1, 1, 1, 1]), (100.0, [4, 4])):
        counts.clear()
        monkeypatch.setattr(engine_module, "_STALL", stall)
        for index in range(8):
            ears.submit(Transcribe(f"{stall}-{index}", Blob(saved(1))))
        ears.run()
        assert counts == expected


def test_segments_stream_before_the_file_is_through(ears: Listener) -> None:
    ears.submit(Transcribe("long", Blob(encoded(spoken_file([0, 1, 2, 3] * 5), "mp3"))))
    while not ears.answers["long"].segments:
        ears.step()
    assert ears.answers["long"].end is None
    ears.run()
    assert len(ears.answers["long"].segments) == 20


def test_a_short_file_passes_a_long_one(ears: Listener) -> None:
    ears.submit(Transcribe("long", Blob(encoded(spoken_file([0, 1, 2, 3] * 8), "flac"))))
    for _ in range(5):
        ears.step()
    ears.submit(Transcribe("short", Blob(saved(1))))
    while ears.answers["short"].end is None:
        ears.step()
    assert ears.answers["long"].end is None
    assert ears.answers["short"].text == PHRASES[1]["text"]
    ears.run()
    assert len(ears.answers["long"].segments) == 32


# ------------------------------------------------------------------ doubt
def test_a_doubtful_window_climbs_the_ladder(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    class Doubting(engine_module.Attempt):
        @property
        def doubtful(self) -> bool:
            seen.append(self.temperature)
            return self.temperature < 0.6

    monkeypatch.setattr(engine_module, "Attempt", Doubting)
    answer = ears.hear(saved(0))
    assert seen == list(LADDER[:4])
    assert answer.segments[0].temperature == 0.6
    assert ears.hear(saved(0), "fixed", temperature=0.4).segments[0].temperature == 0.4


def test_the_last_rung_is_kept(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module.Attempt, "doubtful", property(lambda self: True))
    assert ears.hear(saved(0)).segments[0].temperature == 1.0


def test_what_the_model_left_out_is_heard_again(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt is made to end after half of the window."""
    split = len(VOICES[0]) / RATE + 0.5
    sound = np.concatenate([VOICES[0], quiet(0.5), VOICES[2]])
    plain, calls = engine_module.pieces, list[float]()

    def once(tokens: tuple[int, ...], first: int, seconds: float) -> Any:
        monkeypatch.setattr(engine_module, "pieces", plain)
        calls.append(seconds)
        return plain((first, tokens[1], first + int(split / 0.02)), first, seconds)

    monkeypatch.setattr(engine_module, "pieces", once)
    answer = ears.hear(encoded(sound), language="en")
    assert len(calls) == 1
    assert answer.segments[1].text.strip() == PHRASES[2]["text"]
    assert answer.segments[1].start == pytest.approx(split, abs=0.4)
    check_times(answer)


# ------------------------------------------------------------------ ends
def test_cancel_frees_the_rows_at_once(ears: Listener) -> None:
    ears.submit(Transcribe("gone", Blob(encoded(spoken_file([0, 1, 2] * 3), "mp3"))))
    ears.submit(Transcribe("stays", Blob(saved(2))))
    while ears.engine.stats().running < 2:
        ears.step()
    before = ears.engine.stats().running
    (failure,) = ears.engine.cancel("gone")
    assert isinstance(failure, Failed)
    assert failure.code == "cancelled"
    assert failure.usage.audio_seconds > 0
    assert ears.engine.stats().running < before
    assert ears.engine.cancel("gone") == ()
    ears.answers["gone"].end = failure
    ears.run()
    assert ears.answers["stays"].text == PHRASES[2]["text"]


def test_a_trim_between_steps_changes_no_word(ears: Listener) -> None:
    ears.submit(Transcribe("it", Blob(saved(0))))
    while not ears.engine.stats().running:
        ears.step()
    ears.engine.trim(0)
    ears.run()
    assert ears.answers["it"].text == PHRASES[0]["text"]


def test_cancel_before_the_first_step(ears: Listener) -> None:
    ears.submit(Transcribe("gone", Blob(saved(0))))
    assert isinstance(ears.engine.cancel("gone")[0], Failed)
    assert not ears.engine.busy


@pytest.mark.parametrize(
    ("data", "options", "param"),
    [
        (b"", {}, "file"),
        (b"no sound at all, " * 50, {}, "file"),
        (encoded(VOICES[0], "mp3")[:3000], {}, "file"),
        (encoded(VOICES[0], "m4a")[:3000], {}, "file"),
        (saved(0), {"language": "klingon"}, "language"),
        (saved(0), {"temperature": 1.5}, "temperature"),
    ],
    ids=["empty", "text", "cut-mp3", "cut-m4a", "language", "temperature"],
)
def test_bad_requests_are_refused_in_preparation(
    ears: Listener, data: bytes, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ears.engine.prepare(Transcribe("bad", Blob(data), **options), ())
    assert caught.value.param == param
    assert ears.hear(saved(0)).text == PHRASES[0]["text"]  # the engine is none the worse


def test_other_work_is_the_wrong_modality(ears: Listener) -> None:
    with pytest.raises(WrongModality):
        ears.engine.prepare(Embed("e", (EmbedInput("x"),)), ())


def test_a_fault_while_decoding_ends_the_request_alone(ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    long = ears.engine.prepare(Transcribe("broken", Blob(encoded(spoken_file([0, 1, 2, 3] * 3), "mp3"))), ())

    def broken() -> None:
        raise InvalidRequest("the file was cut", param="file")

    monkeypatch.setattr(long.source, "advance", broken)
    ears.answers["broken"] = Answer()
    ears.take(ears.engine.admit(long))
    ears.submit(Transcribe("fine", Blob(saved(1))))
    ears.run()
    failure = ears.answers["broken"].end
    assert isinstance(failure, Failed)
    assert (failure.code, failure.param) == ("invalid_value", "file")
    assert ears.answers["fine"].text == PHRASES[1]["text"]


def test_few_rows_serve_many_requests() -> None:
    one = Listener(max_batch=1)
    for index in range(4):
        one.submit(Transcribe(f"r{index}", Blob(saved(index))))
    answers = one.run()
    assert [answers[f"r{index}"].text for index in range(4)] == [phrase["text"] for phrase in PHRASES[:4]]
    one.engine.close()
