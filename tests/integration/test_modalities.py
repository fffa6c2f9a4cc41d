"""Five kinds on one node: which model answers which endpoint, and what is left of the requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.media import AUDIO, image_part, sound, video_part
from tests.integration.node import Node

CHAT = "/v1/chat/completions"
HEAR, TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"
SPEAK, EMBED, RERANK = "/v1/audio/speech", "/v1/embeddings", "/v1/rerank"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 1},
    SPEAK: {"input": "Hi."},
    EMBED: {"input": "rain"},
    RERANK: {"query": "rain", "documents": ["a", "b"]},
}
ABLE = {
    CHAT: {"demo-chat", "demo-vision"},
    HEAR: {"demo-whisper"},
    TRANSLATE: {"demo-whisper"},
    SPEAK: {"demo-kokoro"},
    EMBED: {"demo-embed"},
    RERANK: {"demo-embed"},
}
USES = {
    "demo-chat": "chat",
    "demo-vision": "chat",
    "demo-whisper": "transcription",
    "demo-kokoro": "speech",
    "demo-embed": "embeddings",
}


def _ask(node: Node, path: str, model: dict[str, str]) -> httpx.Response:
    if path in (HEAR, TRANSLATE):
        return node.post(path, data=model, files={"file": ("phrase0.mp3", (AUDIO / "phrase0.mp3").read_bytes())})
    return node.post(path, json={**BODIES[path], **model})


@pytest.mark.parametrize(
    ("path", "model"), [(path, model) for path, able in ABLE.items() for model in USES if model not in able]
)
@pytest.mark.usefixtures("workers_live_on")
def test_a_model_asked_for_the_wrong_thing_says_what_it_can_do(full_node: Node, path: str, model: str) -> None:
    answer = _ask(full_node, path, {"model": model})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("wrong_modality", "model")
    assert model in error["message"]
    assert f"is for {USES[model]}" in error["message"]


# A chat without a model is refused, as OpenAI refuses it; forms and sound are sent by hand more often.
@pytest.mark.parametrize(
    ("path", "model"),
    [*((path, {"model": "default"}) for path in ABLE), *((path, {}) for path in ABLE if path != CHAT)],
)
def test_every_endpoint_has_a_default(full_node: Node, path: str, model: dict[str, str]) -> None:
    answer = _ask(full_node, path, model)
    assert answer.status_code == 200, answer.text
    assert answer.content


def test_a_model_without_voices_is_asked_for_voices(full_node: Node) -> None:
    answer = full_node.get("/v1/audio/voices?model=demo-chat")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "wrong_modality"


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.usefixtures("workers_live_on")
def test_nothing_is_left_on_disk(full_node: Node) -> None:
    before = _files(full_node.temporary)
    large = sound(60.0)
    assert len(large) > 2**20  # what web frameworks spool to disk
    parts = [image_part("red_circle.png"), video_part("red_to_blue.mp4"), {"type": "text", "text": "What?"}]
    answers = [
        full_node.post(HEAR, data={"model": "demo-whisper"}, files={"file": ("a.wav", large)}),
        full_node.post(HEAR, data={"model": "demo-whisper"}, files={"file": ("a.wav", b"RIFF" + bytes(2**21))}),
        full_node.chat(model="demo-vision", messages=[{"role": "user", "content": parts}], max_tokens=1),
        *(full_node.post(SPEAK, json={"input": "Hi.", "response_format": kind}) for kind in ("mp3", "opus", "wav")),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 200, 200, 200]
    assert _files(full_node.temporary) == before
