"""Transcriptions and translations, by the official OpenAI client; subtitles are read back by webvtt-py."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import webvtt
from openai import OpenAI

from tests.integration.media import AUDIO, DATA, converted, delayed, sound

PHRASES: list[dict[str, Any]] = json.loads((DATA / "demo_whisper.json").read_text())
FILES = [phrase["file"] for phrase in PHRASES]
LANGUAGES = {"en": "english", "de": "german", "fr": "french"}
every_phrase = pytest.mark.parametrize("phrase", PHRASES, ids=FILES)


def _ask(client: OpenAI, phrase: dict[str, Any], **options: Any) -> Any:
    return client.audio.transcriptions.create(model="demo-whisper", file=AUDIO / phrase["file"], **options)


@every_phrase
def test_json_and_text_hold_it_word_for_word(full_client: OpenAI, phrase: dict[str, Any]) -> None:
    assert _ask(full_client, phrase).text == phrase["text"]
    assert _ask(full_client, phrase, response_format="text") == phrase["text"] + "\n"


@every_phrase
def test_verbose_json_tells_language_segments_and_words_in_order(full_client: OpenAI, phrase: dict[str, Any]) -> None:
    said = _ask(full_client, phrase, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert said.text == phrase["text"]
    assert said.language == LANGUAGES[phrase["language"]]
    assert said.duration > 0.5
    assert "".join(segment.text for segment in said.segments).strip() == phrase["text"]
    assert [word.word.strip() for word in said.words] == phrase["text"].split()
    for times in (said.segments, said.words):
        moments = [moment for one in times for moment in (one.start, one.end)]
        assert moments == sorted(moments)
        assert moments[0] >= 0
        assert moments[-1] <= said.duration + 0.05
    for word in said.words:
        assert any(one.start <= word.start and word.end <= one.end for one in said.segments), word


@pytest.mark.parametrize(("asked", "words", "segments"), [("word", True, False), ("segment", False, True)])
def test_only_the_granularity_that_was_asked_for_is_told(
    full_client: OpenAI, asked: Any, words: bool, segments: bool
) -> None:
    said = _ask(full_client, PHRASES[0], response_format="verbose_json", timestamp_granularities=[asked])
    assert (bool(said.words), bool(said.segments)) == (words, segments)


@every_phrase
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_can_be_read(full_client: OpenAI, phrase: dict[str, Any], kind: Any) -> None:
    captions = list(webvtt.from_buffer(io.StringIO(_ask(full_client, phrase, response_format=kind)), format=kind))
    assert " ".join(caption.text for caption in captions) == phrase["text"]
    moments = [moment for one in captions for moment in (one.start_in_seconds, one.end_in_seconds)]
    assert moments == sorted(moments)


@every_phrase
def test_a_stream_brings_the_text_and_then_all_of_it(full_client: OpenAI, phrase: dict[str, Any]) -> None:
    events = list(_ask(full_client, phrase, stream=True))
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == phrase["text"]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the client's word on a part of its own
@pytest.mark.parametrize("phrase", [phrase for phrase in PHRASES if phrase["english"]], ids=lambda one: one["file"])
def test_other_languages_are_translated(full_client: OpenAI, phrase: dict[str, Any]) -> None:
    file = AUDIO / phrase["file"]
    assert full_client.audio.translations.create(model="demo-whisper", file=file).text == phrase["english"]
    told = full_client.audio.translations.create(model="demo-whisper", file=file, response_format="verbose_json")
    assert told.language == "english"


@pytest.mark.parametrize(
    ("name", "container", "codec", "rate"),
    [("a.wav", "wav", "pcm_s16le", 22_050), ("a.flac", "flac", "flac", 44_100), ("a.m4a", "ipod", "aac", 44_100),
     ("a.webm", "webm", "libopus", 48_000), ("a.mp4", "mp4", "aac", 32_000)],
)  # fmt: skip
def test_the_usual_containers_are_heard(full_client: OpenAI, name: str, container: str, codec: str, rate: int) -> None:
    data = converted(AUDIO / "phrase2.mp3", container, codec, rate)
    said = full_client.audio.transcriptions.create(model="demo-whisper", file=(name, data))
    assert said.text == "Turn off the light in the kitchen."


def test_silence_is_no_text(full_client: OpenAI) -> None:
    said = full_client.audio.transcriptions.create(
        model="demo-whisper", file=("silence.wav", sound(3)), response_format="verbose_json"
    )
    assert said.text == ""
    assert said.duration == pytest.approx(3, abs=0.01)


def test_times_follow_the_files_own_clock(full_client: OpenAI) -> None:
    data = delayed(AUDIO / "phrase2.mp3", 8.0)
    said = full_client.audio.transcriptions.create(
        model="demo-whisper", file=("late.mkv", data), response_format="verbose_json"
    )
    (segment,) = said.segments or []
    assert said.text == "Turn off the light in the kitchen."
    assert 7.7 <= segment.start <= 8.3
    assert said.duration == pytest.approx(segment.end, abs=0.7)
