"""The engine over a model that answers at once: turns, deltas, endings, refusals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import pytest

from shared.errors import InvalidRequest, WrongModality
from shared.messages import Accepted, Count, Delta, Failed, Finished, Prompt, Sound, Speak
from shared.spec import WorkerSpec
from tests.fakes.kokoro import FRAME, RATE, FakeKokoro, loaded
from workers.speech import engine as module
from workers.speech.engine import SpeechEngine
from workers.speech.languages import Phonemisers

LONG = "This is the first sentence of a long text. " * 5
SHORT = "A short one it is."
PHONEMISERS = Phonemisers()  # dictionaries are read once


class Driver:
    """An engine with its model, and what it answered."""

    def __init__(self, **spec: Any) -> None:
        self.model = FakeKokoro()
        self.engine = SpeechEngine()
        self.ready = self.engine.load(WorkerSpec("speech", 1, "ipc://x", "folder", **spec), lambda *_: None)
        self.answers: list[Accepted | Delta] = []

    def send(self, request: str, text: str, **options: Any) -> None:
        work = Speak(request, text, **{"format": "pcm", **options})
        self.answers += self.engine.admit(self.engine.prepare(work, ()))

    def run(self) -> list[Accepted | Delta]:
        while self.engine.busy:
            self.answers += self.engine.step()
        return self.answers

    def say(self, text: str, **options: Any) -> bytes:
        """The whole file of one request."""
        self.answers = []
        self.send("r", text, **options)
        return b"".join(bytes(answer.data.data) for answer in self.run() if isinstance(answer, Sound))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return make(monkeypatch)


def make(monkeypatch: pytest.MonkeyPatch, **spec: Any) -> Driver:
    models: list[FakeKokoro] = []
    voices = {"af_heart": 0.25, "am_adam": 0.5, "bf_emma": 0.1, "ef_dora": 0.2}

    def load(_: Any) -> Any:
        models.append(FakeKokoro())
        return loaded(models[-1], voices)

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "Phonemisers", lambda: PHONEMISERS)
    made = Driver(**spec)
    made.model = models[-1]
    return made


def names(answers: Sequence[Accepted | Delta]) -> list[str]:
    return [f"{type(answer).__name__} {answer.request}" for answer in answers]


def loudness(data: bytes) -> float:
    return float(np.abs(np.frombuffer(data, "<i2")).max()) / 32767


# ---------------------------------------------------------------- what it says of itself
def test_ready_lists_voices_languages_and_the_longest_input(driver: Driver) -> None:
    ready = driver.ready
    assert (ready.kind, ready.context, ready.max_inflight) == ("tts", 200_000, 40)
    assert ready.voices == ("af_heart", "am_adam", "bf_emma", "ef_dora")
    assert "en-us" in ready.languages


# ---------------------------------------------------------------- turns
def test_a_long_text_does_not_hold_up_a_short_one(driver: Driver) -> None:
    driver.send("long", LONG)
    driver.send("short", SHORT)
    assert names(driver.run()) == [
        *("Accepted long", "Accepted short", "Sound long"),
        *("Sound short", "Finished short"),
        *["Sound long"] * 4,
        "Finished long",
    ]


def test_a_request_that_comes_later_waits_for_one_segment(driver: Driver) -> None:
    driver.send("long", LONG)
    driver.answers += driver.engine.step()
    driver.send("short", SHORT)
    assert names(driver.run())[1:6] == [
        *("Sound long", "Accepted short", "Sound long", "Sound short", "Finished short"),
    ]


def test_sound_leaves_before_the_second_segment_is_made(driver: Driver) -> None:
    driver.send("long", LONG)
    assert names(driver.engine.step()) == ["Sound long"]
    assert len(driver.model.spoken) == 2  # the warm-up and one segment


@pytest.mark.parametrize("sound_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_every_format_streams_from_the_first_segment(driver: Driver, sound_format: str) -> None:
    driver.send("long", LONG, format=sound_format)
    (first,) = driver.engine.step()
    assert isinstance(first, Sound)
    assert first.seconds > 1
    rest = driver.run()
    sounds = [first, *(answer for answer in rest if isinstance(answer, Sound))]
    (finished,) = (answer for answer in rest if isinstance(answer, Finished))
    assert sum(sound.seconds for sound in sounds) == pytest.approx(finished.usage.audio_seconds)
    if sound_format != "pcm":
        with av.open(io.BytesIO(b"".join(bytes(sound.data.data) for sound in sounds))) as container:
            stream = container.streams.audio[0]
            heard = sum(frame.samples for frame in container.decode(stream)) / stream.rate
        assert heard == pytest.approx(finished.usage.audio_seconds, abs=0.1)


def test_a_single_segment_makes_a_wav_of_known_length(driver: Driver) -> None:
    data = driver.say(SHORT, format="wav")
    assert int.from_bytes(data[40:44], "little") == len(data) - 44


def test_usage_counts_phonemes_frames_and_seconds(driver: Driver) -> None:
    data = driver.say(SHORT)
    finished = driver.answers[-1]
    assert isinstance(finished, Finished)
    phonemes = len(driver.model.spoken[-1])
    assert finished.usage.prompt_tokens == phonemes
    assert finished.usage.completion_tokens == 2 * phonemes
    assert finished.usage.audio_seconds == len(data) / 2 / RATE == 2 * phonemes * FRAME / RATE
    stats = driver.engine.stats()
    assert (stats.steps, stats.running, stats.prompt_tokens) == (1, 0, phonemes)


# ---------------------------------------------------------------- the same request sounds the same
def test_the_same_request_gives_the_same_bytes_whoever_speaks_between(driver: Driver) -> None:
    alone = driver.say(LONG)
    driver.answers = []
    driver.send("r", LONG)
    driver.send("other", SHORT)
    together = b"".join(bytes(a.data.data) for a in driver.run() if isinstance(a, Sound) and a.request == "r")
    assert together == alone


def test_equal_sentences_of_one_text_don_t_share_their_noise(driver: Driver) -> None:
    driver.send("r", LONG)
    first, second, *_ = (bytes(answer.data.data) for answer in driver.run() if isinstance(answer, Sound))
    assert len(first) == len(second)
    assert first != second


def test_another_text_has_other_noise(driver: Driver) -> None:
    assert driver.say("It is one of two.") != driver.say("It is two of one.")


# ---------------------------------------------------------------- voice, speed, language
def test_a_blend_is_the_weighted_mean_of_its_voices(driver: Driver) -> None:
    heart, adam = loudness(driver.say(LONG, voice="af_heart")), loudness(driver.say(LONG, voice="am_adam"))
    assert (heart, adam) == pytest.approx((0.25, 0.5), rel=0.01)
    assert loudness(driver.say(LONG, voice="af_heart(3)+am_adam(1)")) == pytest.approx(0.3125, rel=0.01)
    assert loudness(driver.say(LONG, voice="af_heart+am_adam")) == pytest.approx(0.375, rel=0.01)


def test_no_voice_is_the_default_and_openais_names_work(driver: Driver) -> None:
    assert driver.say(SHORT) == driver.say(SHORT, voice="af_heart") == driver.say(SHORT, voice="alloy")


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_changes_the_length(driver: Driver, speed: float) -> None:
    assert len(driver.say(SHORT, speed=speed)) == pytest.approx(len(driver.say(SHORT)) / speed, rel=0.1)


def test_the_voices_prefix_chooses_the_language_and_the_request_may(driver: Driver) -> None:
    if "es" not in driver.ready.languages:
        pytest.skip("Spanish needs the extra 'speech'")
    driver.say("Buenos días", voice="ef_dora")
    assert driver.model.spoken[-1] == "bwˈenos ðˈias"
    driver.say("Buenos días", voice="af_heart", language="es")
    assert driver.model.spoken[-1] == "bwˈenos ðˈias"


# ---------------------------------------------------------------- endings
def test_cancel_between_segments_tells_what_was_spoken(driver: Driver) -> None:
    driver.send("long", LONG)
    driver.send("short", SHORT)
    driver.engine.step()
    (failed,) = driver.engine.cancel("long")
    assert isinstance(failed, Failed)
    assert (failed.code, failed.usage.audio_seconds > 1) == ("cancelled", True)
    assert driver.engine.cancel("long") == ()
    assert names(driver.run())[2:] == ["Sound short", "Finished short"]


def test_a_text_that_breaks_its_phonemiser_ends_alone(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def brittle(text: str) -> str:
        if "broken" in text:
            raise ValueError(text)
        return "abc"

    monkeypatch.setattr(PHONEMISERS, "get", lambda _: brittle)
    driver.send("bad", "A sentence that is fine. A sentence that is broken.")
    driver.send("good", SHORT)
    answers = driver.run()
    assert names(answers)[2:] == ["Failed bad", "Sound good", "Finished good"]
    failed = answers[2]
    assert isinstance(failed, Failed)
    assert (failed.code, "broken" in failed.message) == ("internal_error", False)
    assert not driver.engine.busy


def test_a_trim_between_segments_changes_no_sound(driver: Driver) -> None:
    expected = driver.say(LONG)
    driver.answers = []
    driver.send("r", LONG)
    driver.answers += driver.engine.step()
    driver.engine.trim(0)
    assert b"".join(bytes(answer.data.data) for answer in driver.run() if isinstance(answer, Sound)) == expected


def test_close_drops_what_is_left(driver: Driver) -> None:
    driver.send("long", LONG)
    driver.engine.close()
    assert not driver.engine.busy


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize("text", ["", " \n\t ", "***", "🙂🙂", "...!?", "<br/>", "<speak></speak>"])
def test_text_with_nothing_to_say_is_refused(driver: Driver, text: str) -> None:
    with pytest.raises(InvalidRequest, match="input") as refusal:
        driver.engine.prepare(Speak("r", text), ())
    assert refusal.value.param == "input"


@pytest.mark.parametrize("speed", [0.24, 4.01, 0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_out_of_range_is_refused(driver: Driver, speed: float) -> None:
    with pytest.raises(InvalidRequest, match=r"from 0\.25 to 4") as refusal:
        driver.engine.prepare(Speak("r", SHORT, speed=speed), ())
    assert refusal.value.param == "speed"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"voice": "nobody"}, "voice"),
        ({"voice": "../voices/af_heart"}, "voice"),
        ({"language": "tlh"}, "language"),
        ({"format": "ogg"}, "response_format"),
    ],
)
def test_a_refusal_names_its_parameter(driver: Driver, options: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        driver.engine.prepare(Speak("r", SHORT, **options), ())
    assert refusal.value.param == param


def test_other_work_is_refused(driver: Driver) -> None:
    with pytest.raises(WrongModality):
        driver.engine.prepare(Count("r", Prompt(text="hello")), ())


def test_the_longest_input_is_the_models_context_in_the_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = make(monkeypatch, context=4096)
    driver.engine.prepare(Speak("r", "word " * 819), ())
    with pytest.raises(InvalidRequest, match="4100 characters; 4096 are the most") as refusal:
        driver.engine.prepare(Speak("r", "word " * 820), ())
    assert refusal.value.param == "input"


def test_input_of_100_000_characters_begins_at_once(driver: Driver) -> None:
    driver.send("huge", "Ten words make up one of these many short sentences. " * 1900)
    assert names(driver.engine.step()) == ["Sound huge"]
    assert len(driver.model.spoken) == 2
    driver.engine.cancel("huge")


def test_input_of_more_than_200_000_characters_is_refused(driver: Driver) -> None:
    with pytest.raises(InvalidRequest, match="200000 are the most"):
        driver.engine.prepare(Speak("r", "a" * 200_001), ())
