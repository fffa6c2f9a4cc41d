from __future__ import annotations

import asyncio
import base64
import json

import openai
import pytest

from gateway.api.edge import ResponseCut
from shared.errors import Cancelled, InvalidRequest, ModelUnavailable, Overloaded, WorkerLost
from shared.messages import Accepted, Blob, Finished, Sound
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app
from tests.fakes.modalities import client_of, make_modal_node, speaks

PATH = "/v1/audio/speech"
SPEECH = {"model": "kokoro", "input": "Hello.", "voice": "af_heart"}
SOUND = speaks(b"ID3", b"", b"more", b"end")


async def post(node, body):
    return await Exchange(make_app(node), PATH, body).run()


def error_of(done):
    return done.status, *(json.loads(done.body)["error"][key] for key in ("param", "code", "message"))


def events(done):
    return [json.loads(event.removeprefix("data: ")) for event in done.body.decode().split("\n\n") if event]


# ------------------------------------------------------------------ the official client
async def test_a_file():
    node = make_modal_node(SOUND)
    async with client_of(node) as client:
        answer = await client.audio.speech.create(
            model="kokoro", input="Hello.", voice="af_heart(2)+am_adam", speed=1.5, response_format="flac"
        )
    assert answer.content == b"ID3moreend"
    assert answer.response.headers["content-type"] == "audio/flac"
    work = node.dispatcher.work
    assert (work.text, work.voice, work.speed, work.format) == ("Hello.", "af_heart(2)+am_adam", 1.5, "flac")


async def test_streamed_bytes():
    async with client_of(make_modal_node(SOUND)) as client:
        create = client.audio.speech.with_streaming_response.create
        async with create(model="kokoro", input="Hello.", voice={"id": "am_adam"}, instructions="softly") as answer:
            assert b"".join([piece async for piece in answer.iter_bytes()]) == b"ID3moreend"


async def test_the_clients_error():
    node = make_modal_node(lambda work: [InvalidRequest("there is no voice 'x'", param="voice")])
    async with client_of(node) as client:
        with pytest.raises(openai.BadRequestError, match="no voice") as caught:
            await client.audio.speech.create(model="kokoro", input="Hello.", voice="x")
    assert caught.value.param == "voice"


# ------------------------------------------------------------------ the request
async def test_what_is_left_out():
    node = make_modal_node(SOUND)
    done = await post(node, {"input": "Hello."})
    work = node.dispatcher.work
    assert (done.status, done.headers["content-type"]) == (200, "audio/mpeg")
    assert (work.voice, work.speed, work.language, work.format) == (None, 1.0, None, "mp3")
    assert node.dispatcher.opened[-1][0].name == "kokoro"


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"lang": "fr"}, "language", "fr"),
        ({"language": "es", "lang": "fr"}, "language", "es"),
        ({"voice": {"id": "am_adam"}}, "voice", "am_adam"),
        ({"voice": ""}, "voice", None),
        ({"speed": 4}, "speed", 4.0),
    ],
)
async def test_what_is_asked_for(change, field, value):
    node = make_modal_node(SOUND)
    assert (await post(node, SPEECH | change)).status == 200
    assert getattr(node.dispatcher.work, field) == value


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/opus"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
    ],
)
async def test_formats(kind, media_type):
    done = await post(make_modal_node(SOUND), SPEECH | {"response_format": kind})
    assert (done.headers["content-type"], done.body) == (media_type, b"ID3moreend")
    assert "content-length" not in done.headers


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": None}, "input"),
        ({"input": "x" * 200_001}, "input"),
        ({"voice": 5}, "voice"),
        ({"voice": {"name": "x"}}, "voice"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "file"}, "stream_format"),
    ],
)
async def test_refusals_name_the_parameter(change, param):
    node = make_modal_node(SOUND)
    assert error_of(await post(node, SPEECH | change))[:3] == (400, param, "invalid_value")
    assert node.dispatcher.opened == []


async def test_a_long_text_within_the_limit():
    assert (await post(make_modal_node(SOUND), SPEECH | {"input": "x" * 200_000})).status == 200


async def test_the_wrong_model():
    found = error_of(await post(make_modal_node(SOUND), SPEECH | {"model": "chat"}))
    assert found[:3] == (400, "model", "wrong_modality")
    assert "is for chat" in found[3]


# ------------------------------------------------------------------ the sound's way
async def test_sound_leaves_as_it_comes():
    gate = asyncio.Event()

    def script(work):
        first, last = (Sound(work.request, Blob(data), 0.1) for data in (b"first", b"last"))
        return [Accepted(work.request), first, gate, last, Finished(work.request)]

    exchange, seen = Exchange(make_app(make_modal_node(script)), PATH, SPEECH), []

    def on_body(data):
        seen.append((data, gate.is_set()))
        gate.set()

    exchange.on_body = on_body
    await exchange.run()
    assert seen == [(b"first", False), (b"last", True)]


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidRequest("no", param="voice"), 400), (ModelUnavailable("down"), 503), (WorkerLost("gone"), 503)],
)
async def test_a_failure_before_the_first_event_keeps_its_status(error, status, stream_format):
    done = await post(make_modal_node(lambda work: [error]), SPEECH | {"stream_format": stream_format})
    assert error_of(done)[:3] == (status, error.param, error.code)


async def test_a_failure_before_the_first_sound_keeps_its_status():
    node = make_modal_node(lambda work: [Accepted(work.request), WorkerLost("gone")])
    assert error_of(await post(node, SPEECH))[:3] == (503, None, "worker_lost")


async def test_a_refusal_at_the_door():
    node = make_modal_node(SOUND)
    node.dispatcher.refusal = Overloaded("full", retry_after=7)
    done = await post(node, SPEECH)
    assert (done.status, done.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_an_answer_without_sound_is_a_500(stream_format):
    node = make_modal_node(lambda work: [Finished(work.request)])
    done = await post(node, SPEECH | {"stream_format": stream_format})
    if stream_format == "audio":
        assert error_of(done)[:3] == (500, None, "internal_error")
    else:
        assert events(done)[-1]["error"]["code"] == "internal_error"


@pytest.mark.parametrize("error", [WorkerLost("gone"), Cancelled("no"), RuntimeError("a bug")])
async def test_a_fault_after_the_first_byte_cuts_the_connection(error):
    node = make_modal_node(lambda work: [Sound(work.request, Blob(b"half"), 0.1), error])
    exchange = Exchange(make_app(node), PATH, SPEECH)
    with pytest.raises(RuntimeError if isinstance(error, RuntimeError) else ResponseCut):
        await exchange.run()
    assert exchange.body == b"half"
    assert all(message["more_body"] for message in exchange.sent[1:])
    assert node.dispatcher.streams[0].closed.is_set()


async def test_a_cut_is_not_logged_as_a_bug(caplog):
    node = make_modal_node(lambda work: [Sound(work.request, Blob(b"half"), 0.1), WorkerLost("gone")])
    with pytest.raises(ResponseCut):
        await post(node, SPEECH)
    [record] = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert (record.getMessage(), record.facts["code"]) == ("stream failed", "worker_lost")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_a_client_that_leaves_cancels(when, stream_format):
    gate = asyncio.Event()

    def script(work):
        sound = [Sound(work.request, Blob(b"half"), 0.1)] if when == "after" else []
        return [*sound, gate, Finished(work.request)]

    node = make_modal_node(script)
    exchange = Exchange(make_app(node), PATH, SPEECH | {"stream_format": stream_format})
    task = asyncio.create_task(exchange.run())
    while not (exchange.sent if when == "after" else node.dispatcher.streams):
        await asyncio.sleep(0)
    exchange.leave()
    await task
    assert node.dispatcher.streams[0].cancelled


# ------------------------------------------------------------------ server-sent events
async def test_events():
    done = await post(make_modal_node(SOUND), SPEECH | {"stream_format": "sse"})
    assert done.headers["content-type"].startswith("text/event-stream")
    found = events(done)
    assert [event["type"] for event in found] == ["speech.audio.delta"] * 3 + ["speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in found[:-1]) == b"ID3moreend"
    assert set(found[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}


async def test_events_that_break_have_no_done():
    node = make_modal_node(lambda work: [Sound(work.request, Blob(b"half"), 0.1), WorkerLost("gone")])
    found = events(await post(node, SPEECH | {"stream_format": "sse"}))
    assert [found[0]["type"], found[1]["error"]["code"]] == ["speech.audio.delta", "worker_lost"]
    assert len(found) == 2
