"""Broken, hostile and empty media: a clear 400 or 413 that names the part, and five workers that live on."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import httpx
import pytest

from tests.integration.media import AUDIO, IMAGES, blank_png, data_url, image_part, sound, video_without_frames
from tests.integration.node import Node, until

PART = "messages[0].content[1]"
TEXT = b"This is a letter, neither a picture nor a sound. " * 40
PNG = (IMAGES / "red_circle.png").read_bytes()
MP4 = (IMAGES / "red_to_blue.mp4").read_bytes()

pytestmark = pytest.mark.usefixtures("workers_live_on")


def _refused(answer: httpx.Response, param: str, *said: str, status: int = 400) -> None:
    assert answer.status_code == status, answer.text[:500]
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    for words in said:
        assert words in error["message"]


# ------------------------------------------------------------------ pictures and video
def _see(node: Node, part: dict[str, Any], **more: Any) -> httpx.Response:
    content = [{"type": "text", "text": "What is in the picture?"}, part]
    return node.chat(model="demo-vision", messages=[{"role": "user", "content": content}], **more)


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _video(data: bytes) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": data_url(data, "video/mp4")}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("data", "said"),
    [(TEXT, "not an image"), (PNG[: len(PNG) // 2], "cut off"), (b"", "empty"), (MP4, "not an image"),
     (sound(0.1), "not an image"), (PNG[:20] + b"\xff" * 500, "")],
    ids=["text", "truncated png", "0 bytes", "video", "sound", "garbage behind a header"],
)  # fmt: skip
def test_what_is_no_picture_is_refused(full_node: Node, data: bytes, said: str, stream: bool) -> None:
    _refused(_see(full_node, _image(data_url(data)), stream=stream), PART, said)


@cache
def _bomb(side: int) -> bytes:
    return blank_png(side, side)


@pytest.mark.parametrize("side", [10_000, 20_000], ids=["100 megapixels", "400 megapixels"])
def test_a_picture_that_unpacks_to_too_much_is_refused(full_node: Node, side: int) -> None:
    assert len(_bomb(side)) < 100_000
    _refused(_see(full_node, _image(data_url(_bomb(side)))), PART, f"{side} x {side} pixels", "64", status=413)


@pytest.mark.parametrize(
    ("data", "said"),
    [(TEXT, ""), (b"", "empty"), (MP4[: len(MP4) // 2], ""), (sound(1, "mp4", "aac"), "only sound"),
     (video_without_frames("avi"), "no frames"), (video_without_frames("matroska"), "not a video that can be read")],
    ids=["text", "0 bytes", "cut", "sound only", "no frames", "header only"],
)  # fmt: skip
def test_what_is_no_film_is_refused(full_node: Node, data: bytes, said: str) -> None:
    _refused(_see(full_node, _video(data)), PART, said)


@pytest.mark.parametrize("value", [0, -1, "fast"])
@pytest.mark.parametrize("name", ["fps", "max_frames"])
def test_sampling_of_frames_that_can_not_be_is_refused(full_node: Node, name: str, value: Any) -> None:
    _refused(_see(full_node, _video(MP4) | {name: value}), f"{PART}.{name}")


def test_sound_for_a_model_that_does_not_hear_is_refused(full_node: Node) -> None:
    data = base64.b64encode(sound(0.1)).decode()
    _refused(_see(full_node, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}), PART)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a.png", "http://localhost/a.png", "http://[::1]/a.png", "http://[::ffff:127.0.0.1]/a.png",
     "http://10.0.0.1/a.png", "http://192.168.1.1/a.png", "http://172.16.0.9/a.png", "http://0.0.0.0/a.png",
     "http://169.254.169.254/latest/meta-data", "http://2130706433/a.png", "http://0x7f.1/a.png",
     "http://127.0.0.1:NODE/health", "file:///etc/passwd", "ftp://127.0.0.1/a.png", "gopher://127.0.0.1/",
     "/etc/passwd", "", "https://", "data:image/png;base64,%%%"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["image_url", "video_url"])
def test_urls_that_lead_inside_or_nowhere_are_refused(full_node: Node, url: str, kind: str) -> None:
    url = url.replace("NODE", full_node.url.rsplit(":", 1)[1])
    answer = _see(full_node, {"type": kind, kind: {"url": url}})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(PART)
    assert "passwd" not in answer.text


def test_too_many_pictures_are_refused(full_node: Node) -> None:
    parts = [image_part("red_circle.png")] * 65
    answer = full_node.chat(model="demo-vision", messages=[{"role": "user", "content": parts}])
    _refused(answer, "messages[0].content[64]", "at most 64")


# ------------------------------------------------------------------ sound
def _hear(node: Node, data: bytes, **fields: Any) -> httpx.Response:
    return node.post(
        "/v1/audio/transcriptions", data={"model": "demo-whisper", **fields}, files={"file": ("a.wav", data)}
    )


OGG = (AUDIO / "phrase1.ogg").read_bytes()
M4A = sound(2, "ipod", "aac", 0.5)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (TEXT, "not a sound file"), (PNG, "not a sound file"), (MP4, "no audio track"),
     (OGG[: len(OGG) // 2], "cut"), (M4A[: len(M4A) // 2], "cut"), (sound(2)[:20_000], "cut"), (OGG[:30], "cut"),
     (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "not a sound file"), (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "")],
    ids=["0 bytes", "text", "picture", "film without sound", "cut ogg", "cut m4a", "cut wav", "ogg header",
         "playlist", "list of files"],
)  # fmt: skip
@pytest.mark.parametrize("stream", ["false", "true"])
def test_what_is_no_whole_sound_is_refused(full_node: Node, data: bytes, said: str, stream: str) -> None:
    _refused(_hear(full_node, data, stream=stream), "file", said)


def test_a_cut_mp3_is_heard_to_its_end_or_refused(full_node: Node) -> None:
    data = (AUDIO / "phrase0.mp3").read_bytes()
    answer = _hear(full_node, data[: len(data) // 2])
    if answer.status_code != 200:
        _refused(answer, "file", "cut")


@pytest.mark.parametrize("data", [sound(1), sound(0.01), sound(1 / 16_000)], ids=["1 s", "10 ms", "1 sample"])
def test_silence_is_answered_without_text(full_node: Node, data: bytes) -> None:
    answer = _hear(full_node, data)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["text"] == ""
    else:
        _refused(answer, "file")


@pytest.mark.parametrize(
    ("field", "value"),
    [("language", "klingon"), ("response_format", "docx"), ("temperature", "7"), ("temperature", "warm"),
     ("timestamp_granularities[]", "letter")],
)  # fmt: skip
def test_a_wrong_field_is_named(full_node: Node, field: str, value: str) -> None:
    answer = _hear(full_node, OGG, **{"response_format": "verbose_json", field: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(field.removesuffix("[]"))


def test_a_form_without_a_file_and_a_body_that_is_no_form(full_node: Node) -> None:
    path = "/v1/audio/transcriptions"
    _refused(full_node.post(path, files={"model": (None, "demo-whisper")}), "file")
    _refused(full_node.post(path, json={"model": "demo-whisper"}), "file", "multipart/form-data")
    _refused(full_node.post(path, files={"model": (None, "demo-whisper"), "file": (None, "text")}), "file")


# ------------------------------------------------------------------ speech
def _speak(node: Node, **body: Any) -> httpx.Response:
    return node.post("/v1/audio/speech", json={"model": "demo-kokoro", "input": "Hi.", "voice": "af_heart", **body})


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize(
    ("body", "param", "said"),
    [({"voice": "af_hart"}, "voice", "af_heart"), ({"voice": "../af_heart"}, "voice", ""),
     ({"voice": "af_heart.safetensors"}, "voice", ""), ({"voice": "af_heart(0)"}, "voice", "weight"),
     ({"voice": "af_heart(2)+nobody"}, "voice", "nobody"), ({"voice": 7}, "voice", ""),
     ({"input": ""}, "input", "empty"), ({"input": " \n\t"}, "input", "empty"), ({"input": "…?! —"}, "input", ""),
     ({"input": None}, "input", ""), ({"input": "a" * 200_001}, "input", "200000"),
     ({"speed": 0}, "speed", ""), ({"speed": 5}, "speed", ""), ({"response_format": "docx"}, "response_format", ""),
     ({"lang": "tlh"}, "lang", "")],
)  # fmt: skip
def test_what_can_not_be_spoken_is_refused(
    full_node: Node, body: dict[str, Any], param: str, said: str, stream_format: str
) -> None:
    answer = _speak(full_node, stream_format=stream_format, **body)
    assert answer.status_code == 400, answer.text[:500]
    error = answer.json()["error"]
    assert error["param"].startswith(param)
    assert said in error["message"]


def test_a_text_of_100_000_characters_is_spoken_until_the_client_leaves(full_node: Node) -> None:
    text = "All is well for now. " * 4762
    assert len(text) >= 100_000
    body = {"model": "demo-kokoro", "input": text, "voice": "af_heart", "response_format": "pcm", "speed": 4}
    with httpx.stream("POST", full_node.url + "/v1/audio/speech", json=body, timeout=120) as answer:
        assert answer.status_code == 200
        sound = answer.iter_bytes()
        assert next(sound)
        assert full_node.worker("demo-kokoro")["open_requests"] == 1

    def is_free() -> bool:
        worker = full_node.worker("demo-kokoro")
        return worker["open_requests"] == 0 and worker["stats"]["running"] == 0

    until(is_free)
    assert _speak(full_node, speed=4).status_code == 200


# ------------------------------------------------------------------ embeddings
@pytest.mark.parametrize(
    ("body", "param"),
    [({"input": ""}, "input"), ({"input": []}, "input"), ({"input": ["a", ""]}, "input[1]"),
     ({"input": [10**9]}, "input"), ({"input": "word " * 50_000}, "input"), ({"dimensions": 0}, "dimensions"),
     ({"dimensions": 10**6}, "dimensions"), ({"encoding_format": "hex"}, "encoding_format")],
)  # fmt: skip
def test_what_can_not_be_embedded_is_refused(full_node: Node, body: dict[str, Any], param: str) -> None:
    _refused(full_node.post("/v1/embeddings", json={"model": "demo-embed", "input": "a", **body}), param)
