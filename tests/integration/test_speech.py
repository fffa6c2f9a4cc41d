"""Speech by the official OpenAI client: what each format holds is decoded back. The demo's voices speak noise."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.integration.media import Heard, heard
from tests.integration.node import PATIENCE, Node

RATE, WIDTH = 24_000, 2  # of pcm: samples a second, bytes a sample
CODECS = {"mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le"}


def _speak(client: OpenAI, **options: Any) -> bytes:
    return client.audio.speech.create(
        **{"model": "demo-kokoro", "input": "Hi.", "voice": "af_heart", "response_format": "pcm", **options}
    ).content


@pytest.fixture(scope="module")
def pcm(full_client: OpenAI) -> bytes:
    return _speak(full_client)


@pytest.mark.parametrize("sound_format", CODECS)
def test_a_format_is_what_its_name_says_and_as_long_as_the_others(
    full_client: OpenAI, pcm: bytes, sound_format: str
) -> None:
    found = heard(_speak(full_client, response_format=sound_format))
    seconds = len(pcm) / RATE / WIDTH
    assert seconds > 0.2
    assert found == Heard(
        CODECS[sound_format], 48_000 if sound_format == "opus" else RATE, 1, pytest.approx(seconds, abs=0.1)
    )


def test_the_type_of_the_answer_names_the_format(full_node: Node) -> None:
    answer = httpx.post(
        full_node.url + "/v1/audio/speech",
        json={"model": "demo-kokoro", "input": "Hi.", "voice": "af_heart", "response_format": "wav"},
        timeout=PATIENCE,
    )
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content[:4] == b"RIFF"


def test_the_same_request_sounds_the_same_and_faster_is_shorter(full_client: OpenAI, pcm: bytes) -> None:
    assert _speak(full_client) == pcm
    assert len(_speak(full_client, speed=2.0)) < len(pcm)


def test_events_carry_the_same_sound(full_client: OpenAI, pcm: bytes) -> None:
    with full_client.audio.speech.with_streaming_response.create(
        model="demo-kokoro", input="Hi.", voice="af_heart", response_format="pcm", stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: {")]
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == pcm
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["output_tokens"] > 0


def test_voices_are_listed_and_blend(full_client: OpenAI, full_node: Node, pcm: bytes) -> None:
    voices = full_node.get("/v1/audio/voices").json()["voices"]
    assert {"af_heart", "am_adam"} <= set(voices)
    blend = _speak(full_client, voice="af_heart(2)+am_adam(1)")
    assert blend
    assert blend != pcm
    assert _speak(full_client, voice="af_heart+am_adam(0.5)") == blend
    assert _speak(full_client, voice="af_heart(3)+af_heart") == pcm


def test_a_voice_of_openais_speaks(full_client: OpenAI) -> None:
    assert len(_speak(full_client, voice="echo")) > 0.2 * RATE * WIDTH
