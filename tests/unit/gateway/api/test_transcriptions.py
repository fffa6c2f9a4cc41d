from __future__ import annotations

import asyncio
import json
import tempfile

import openai
import pytest
import webvtt

from shared.errors import InvalidRequest, Overloaded, WorkerLost
from shared.messages import Accepted, Finished, Segment
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import FakeStream, make_app
from tests.fakes.modalities import FORM, client_of, hears, make_modal_node, multipart

PATH = "/v1/audio/transcriptions"
HELLO = hears(" Hello there,", " how are you?")
SOUND = ("file", b"RIFF....", "clip.wav")


async def post(node, *parts, path=PATH, close=True, **headers):
    body = multipart(*parts, close=close)
    return await Exchange(make_app(node), path, body, **{"content_type": FORM} | headers).run()


def error_of(done):
    return done.status, *(json.loads(done.body)["error"][key] for key in ("param", "code", "message"))


async def create(node, what="transcriptions", **more):
    async with client_of(node) as client:
        surface = getattr(client.audio, what)
        return await surface.create(model="whisper", file=("clip.mp3", b"sound"), **more)


# ------------------------------------------------------------------ the official client
async def test_json():
    node = make_modal_node(HELLO)
    answer = await create(node, language="en", prompt="Names: Ana.", temperature=0.4)
    assert answer.text == "Hello there, how are you?"
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 4)
    work = node.dispatcher.work
    assert (bytes(work.audio.data), work.task, work.word_timestamps) == (b"sound", "transcribe", False)
    assert (work.language, work.prompt, work.temperature) == ("en", "Names: Ana.", 0.4)


async def test_zero_is_openais_ladder_and_auto_is_detected():
    node = make_modal_node(HELLO)
    await create(node, temperature=0, language="auto")
    assert (node.dispatcher.work.temperature, node.dispatcher.work.language) == (None, None)


async def test_verbose_json_has_segments():
    answer = await create(make_modal_node(hears(" Guten Tag.", language="de")), response_format="verbose_json")
    assert (answer.language, answer.duration, answer.text, answer.words) == ("german", 3.2, "Guten Tag.", None)
    assert answer.task == "transcribe"
    [segment] = answer.segments
    assert (segment.id, segment.seek, segment.start, segment.end) == (0, 0, 0.0, 1.0)
    assert (segment.text, segment.tokens, segment.temperature) == (" Guten Tag.", [7, 8], 0.2)
    assert (segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob) == (-0.3, 1.1, 0.01)


@pytest.mark.parametrize(
    ("asked", "segments", "words"), [(["word"], None, 5), (["segment"], 2, None), (["word", "segment"], 2, 5)]
)
async def test_granularities(asked, segments, words):
    node = make_modal_node(HELLO)
    answer = await create(node, response_format="verbose_json", timestamp_granularities=asked)
    assert answer.segments is None if segments is None else len(answer.segments) == segments
    assert answer.words is None if words is None else len(answer.words) == words
    assert node.dispatcher.work.word_timestamps is ("word" in asked)
    if words:
        assert (answer.words[2].word, answer.words[2].start) == ("how", 1.0)


async def test_text():
    assert await create(make_modal_node(HELLO), response_format="text") == "Hello there, how are you?\n"


@pytest.mark.parametrize("kind", ["srt", "vtt"])
async def test_subtitles_are_read_by_others(kind):
    node = make_modal_node(hears(" Hello\nthere --> you,", "  ", " 2 > 1 & so on."))
    text = await create(node, response_format=kind)
    cues = webvtt.from_string(text, strict=True) if kind == "vtt" else _read_srt(text)
    found = [(cue.start, cue.end, cue.text) for cue in cues]
    end = "2 &gt; 1 &amp; so on." if kind == "vtt" else "2 > 1 & so on."
    assert [(start, stop) for start, stop, _ in found] == [
        ("00:00:00.000", "00:00:01.000"),
        ("00:00:02.000", "00:00:03.000"),
    ]
    assert found[0][2] == ("Hello there -&gt; you," if kind == "vtt" else "Hello there -> you,")
    assert found[1][2] == end


def _read_srt(text):
    with tempfile.NamedTemporaryFile("w", suffix=".srt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return webvtt.from_srt(file.name)


async def test_a_stream():
    async with client_of(make_modal_node(HELLO)) as client:
        stream = await client.audio.transcriptions.create(model="whisper", file=("a.wav", b"x"), stream=True)
        events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "Hello there, how are you?"
    assert events[-1].usage.type == "tokens"


async def test_a_stream_of_silence():
    async with client_of(make_modal_node(hears())) as client:
        stream = await client.audio.transcriptions.create(model="whisper", file=("a.wav", b"x"), stream=True)
        assert [(event.type, event.text) async for event in stream] == [("transcript.text.done", "")]


async def test_a_stream_that_breaks_has_no_done():
    def script(work):
        return [Accepted(work.request), Segment(work.request, 0, 0, 1, " Hel"), WorkerLost("the worker is gone")]

    done = await post(make_modal_node(script), SOUND, ("stream", "true", None))
    assert b"transcript.text.delta" in done.body
    assert b"transcript.text.done" not in done.body
    assert json.loads(done.body.decode().split("data: ")[-1])["error"]["code"] == "worker_lost"


async def test_a_stream_without_an_end_is_an_error():
    node = make_modal_node(lambda work: [Segment(work.request, 0, 0, 1, " Hel"), Finished(work.request)])
    done = await post(node, SOUND, ("stream", "true", None))
    assert json.loads(done.body.decode().split("data: ")[-1])["error"]["code"] == "internal_error"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the client's mark on all translations
@pytest.mark.parametrize("shape", ["json", "verbose_json", "srt"])
async def test_a_translation(shape):
    node = make_modal_node(hears(" Good day.", language="de"))
    answer = await create(node, "translations", response_format=shape, prompt="Formal.")
    assert "Good day." in (answer if shape == "srt" else answer.text)
    if shape == "verbose_json":
        assert (answer.language, len(answer.segments)) == ("english", 1)
    assert (node.dispatcher.work.task, node.dispatcher.work.prompt) == ("translate", "Formal.")


async def test_the_clients_error():
    node = make_modal_node(lambda work: [InvalidRequest("file is cut off", param="file")])
    with pytest.raises(openai.BadRequestError, match="cut off") as caught:
        await create(node)
    assert caught.value.param == "file"


# ------------------------------------------------------------------ the form
async def test_without_a_model_the_default_hears():
    for model in ((), (("model", "", None),)):
        node = make_modal_node(HELLO)
        assert (await post(node, SOUND, *model)).status == 200
        assert node.dispatcher.opened[-1][0].name == "whisper"


async def test_unknown_and_ignored_fields_are_tolerated():
    extras = [("novelty", "1", None), ("chunking_strategy", "auto", None), ("cover", b"\x89PNG", "cover.png")]
    extras.append(("chunking_strategy[type]", "server_vad", None))
    assert (await post(make_modal_node(HELLO), SOUND, *extras)).status == 200


async def test_the_file_arrives_as_it_was_sent():
    sound = bytes(range(256)) * 40 + b"\r\n--a-line\r\n" + b"\r" * 7
    node = make_modal_node(HELLO)
    body = multipart(("prompt", "ä\nö", None), ("file", sound, "ü.wav"))
    pieces = [body[at : at + 37] for at in range(0, len(body), 37)]
    done = await Exchange(make_app(node), PATH, pieces, content_type=FORM).run()
    assert done.status == 200
    assert bytes(node.dispatcher.work.audio.data) == sound
    assert node.dispatcher.work.prompt == "ä\nö"


async def test_nothing_is_written_to_disk(monkeypatch):
    def no_disk(*_, **__):
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, no_disk)
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", no_disk)
    node = make_modal_node(HELLO)
    assert (await post(node, ("file", b"x" * 3_000_000, "long.wav"))).status == 200
    assert len(node.dispatcher.work.audio.data) == 3_000_000


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ([("model", "whisper", None)], "file", "invalid_value"),
        ([], "file", "invalid_value"),
        ([("file", b"", "a.wav")], "file", "invalid_value"),
        ([("file", "clip.wav", None)], "file", "invalid_value"),
        ([SOUND, SOUND], "file", "invalid_value"),
        ([SOUND, ("response_format", "xml", None)], "response_format", "invalid_value"),
        ([SOUND, ("response_format", "diarized_json", None)], "response_format", "unsupported_parameter"),
        ([SOUND, ("temperature", "2", None)], "temperature", "invalid_value"),
        ([SOUND, ("temperature", "nan", None)], "temperature", "invalid_value"),
        ([SOUND, ("temperature", "warm", None)], "temperature", "invalid_value"),
        ([SOUND, ("stream", "maybe", None)], "stream", "invalid_value"),
        ([SOUND, ("prompt", b"\xff", None)], "prompt", "invalid_value"),
        ([SOUND, ("include[]", "logprobs", None)], "include", "unsupported_parameter"),
        ([SOUND, ("languages[]", "de", None)], "languages", "unsupported_parameter"),
        ([SOUND, ("known_speaker_names[]", "Ana", None)], "known_speaker_names", "unsupported_parameter"),
        ([SOUND, ("timestamp_granularities[]", "word", None)], "timestamp_granularities", "invalid_value"),
        (
            [SOUND, ("response_format", "verbose_json", None), ("timestamp_granularities[]", "letter", None)],
            "timestamp_granularities[0]",
            "invalid_value",
        ),
        (
            [SOUND, ("response_format", "srt", None), ("stream", "true", None)],
            "response_format",
            "unsupported_parameter",
        ),
    ],
)
async def test_refusals_name_the_field(parts, param, code):
    node = make_modal_node(HELLO)
    assert error_of(await post(node, *parts))[:3] == (400, param, code)
    assert node.dispatcher.opened == []


@pytest.mark.parametrize(
    ("model", "status", "code", "says"),
    [("chat", 400, "wrong_modality", "is for chat"), ("nope", 404, "model_not_found", "nope")],
)
async def test_the_wrong_model(model, status, code, says):
    found = error_of(await post(make_modal_node(HELLO), SOUND, ("model", model, None)))
    assert found[:3] == (status, "model", code)
    assert says in found[3]


async def test_a_json_body_is_told_what_to_send():
    done = await Exchange(make_app(make_modal_node(HELLO)), PATH, {"model": "x"}, content_type="application/json").run()
    status, param, _, message = error_of(done)
    assert (status, param) == (400, "file")
    assert "multipart/form-data" in message
    assert "application/json" in message


@pytest.mark.parametrize("content_type", ["", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 999])
async def test_a_header_without_a_usable_boundary(content_type):
    assert (await post(make_modal_node(HELLO), SOUND, content_type=content_type)).status == 400


@pytest.mark.parametrize("body", [b"", b"no form at all", multipart(SOUND)[:90], multipart(SOUND, close=False)])
async def test_a_broken_form(body):
    done = await Exchange(make_app(make_modal_node(HELLO)), PATH, body, content_type=FORM).run()
    assert error_of(done)[0] == 400
    assert "multipart" in error_of(done)[3]


async def test_a_part_without_a_name():
    body = b"--a-line-between\r\nContent-Type: text/plain\r\n\r\nx\r\n--a-line-between--\r\n"
    done = await Exchange(make_app(make_modal_node(HELLO)), PATH, body, content_type=FORM).run()
    assert error_of(done)[0] == 400


async def test_too_many_fields_and_too_much_text():
    assert (await post(make_modal_node(HELLO), *[("a", "", None)] * 257)).status == 400
    assert error_of(await post(make_modal_node(HELLO), ("prompt", "x" * 2**21, None)))[:2] == (413, "prompt")


async def test_a_file_over_the_limit_is_named():
    node = make_modal_node(HELLO, max_body=500)
    big = ("file", b"x" * 600, "a.wav")
    assert error_of(await post(node, big))[:3] == (413, "file", "payload_too_large")
    assert error_of(await post(node, big, content_length="900"))[:3] == (413, "file", "payload_too_large")


# ------------------------------------------------------------------ the answer's way
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_refusal_keeps_its_status(stream):
    node = make_modal_node(HELLO)
    node.dispatcher.refusal = Overloaded("full", retry_after=7)
    done = await post(node, SOUND, ("stream", stream, None))
    assert (done.status, done.headers["retry-after"]) == (429, "7")


async def test_a_whole_answer_survives_a_workers_death(monkeypatch):
    asked = []
    plain = FakeStream.whole

    async def whole(stream):
        asked.append(stream)
        return await plain(stream)

    monkeypatch.setattr(FakeStream, "whole", whole)
    node = make_modal_node(HELLO)
    await post(node, SOUND)
    assert asked == node.dispatcher.streams


async def test_a_transcript_without_an_end_is_a_500():
    node = make_modal_node(lambda work: [Finished(work.request)])
    assert error_of(await post(node, SOUND))[:3] == (500, None, "internal_error")


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_client_that_leaves_cancels(stream):
    gate = asyncio.Event()
    node = make_modal_node(lambda work: [Accepted(work.request), gate])
    exchange = Exchange(make_app(node), PATH, multipart(SOUND, ("stream", stream, None)), content_type=FORM)
    task = asyncio.create_task(exchange.run())
    while not node.dispatcher.streams:
        await asyncio.sleep(0)
    exchange.leave()
    await task
    assert node.dispatcher.streams[0].cancelled
