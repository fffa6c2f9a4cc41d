"""Media in chat messages, from the body to what the dispatcher is given."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from gateway.media.load import MediaLoader
from gateway.routing.registry import ModelEntry, Registry
from shared.config import MediaSection, ModelConfig
from shared.messages import MediaPart, TextPart
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app, make_node
from tests.fakes.web import FakeWeb, page

PATH = "/v1/chat/completions"
URL = "https://a.example/cat.png"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
SOUND = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"beep").decode(), "format": "wav"}}
WAYS = pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "stream"])


def entry(name, kind, capabilities=(), aliases=()):
    model = ModelConfig(source="x/y", kind=kind, aliases=aliases)
    return ModelEntry(name, model, kind=kind, capabilities=capabilities)


def see(*entries, web=None, total=2**20, **policy):
    """A node that hosts the entries, and reaches the web of the test."""
    web = web or FakeWeb({URL: page(b"cat")})
    rules = MediaSection.model_validate(policy)
    media = MediaLoader(rules, total, resolve=web.resolve, transport=web.transport)
    registry = Registry(entries or [entry("eye", "vlm", ("image",))])
    return replace(make_node(), registry=registry, media=media)


def body(*parts, model="eye", **more) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": list(parts)}], **more}


async def post(node, given):
    return await Exchange(make_app(node), PATH, given).run()


async def error_of(node, given):
    done = await post(node, given)
    assert done.headers["content-type"] == "application/json"
    assert node.dispatcher.opened == []
    return done.status, json.loads(done.body)["error"]


# ------------------------------------------------------------------ what the worker gets
@WAYS
async def test_the_bytes_travel_as_blobs_in_the_order_of_the_parts(more):
    node = see(entry("eye", "vlm", ("image", "audio", "tools")))
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,ZG9n", "detail": "low"}}
    done = await post(node, body({"type": "text", "text": "see"}, IMAGE, data, SOUND, **more))
    assert done.status == 200
    assert node.dispatcher.blobs == [(b"cat", b"dog", b"beep")]
    assert node.dispatcher.work.prompt.messages[0].content == (
        TextPart("see"),
        MediaPart("image", 0),
        MediaPart("image", 1, '{"detail": "low"}'),
        MediaPart("audio", 2, '{"format": "wav"}'),
    )


async def test_a_large_image_is_whole():
    data = bytes(range(256)) * 2000
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    node = see()
    assert (await post(node, body({"type": "image_url", "image_url": {"url": url}}))).status == 200
    assert node.dispatcher.blobs == [(data,)]


async def test_text_alone_brings_no_blobs():
    node = see()
    assert (await post(node, body({"type": "text", "text": "hi"}))).status == 200
    assert node.dispatcher.blobs == [()]


async def test_the_official_client_sends_pictures():
    node = see()
    transport = httpx.ASGITransport(app=make_app(node))
    http = httpx.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="none", base_url="http://test/v1", max_retries=0, http_client=http) as client:
        answer = await client.chat.completions.create(
            model="eye",
            messages=[{"role": "user", "content": [{"type": "text", "text": "what is it?"}, IMAGE]}],
        )
    assert answer.choices[0].message.content == "Hello!"
    assert node.dispatcher.blobs == [(b"cat",)]


# ------------------------------------------------------------------ which model reads what
@WAYS
@pytest.mark.parametrize(
    ("model", "part", "says"),
    [
        (entry("eye", "llm", ("tools",)), IMAGE, "this model reads text, not 'image_url' parts"),
        (entry("eye", "llm"), IMAGE, "this model reads text, not 'image_url' parts"),
        (entry("eye", "vlm", ("image",)), SOUND, "this model reads text and images, not 'input_audio' parts"),
    ],
)
async def test_media_that_the_model_does_not_read(model, part, says, more):
    web = FakeWeb()
    status, error = await error_of(see(model, web=web), body({"type": "text", "text": "x"}, part, **more))
    assert (status, error["param"], error["code"]) == (400, "messages[0].content[1]", "wrong_modality")
    assert says in error["message"]
    assert web.looked_up == []


@pytest.mark.parametrize("model", [entry("eye", "vlm"), entry("eye", None)], ids=["vlm", "unknown"])
async def test_a_model_that_is_not_ready_yet_may_turn_out_to_read_it(model):
    node = see(model)
    assert (await post(node, body(IMAGE, SOUND))).status == 200
    assert node.dispatcher.blobs == [(b"cat", b"beep")]


async def test_default_is_the_model_that_reads_the_request():
    models = [entry("chat", "llm", aliases=("default",)), entry("eye", "vlm", ("image",), ("default",))]
    node = see(*models)
    for part in (IMAGE, {"type": "text", "text": "hi"}):
        assert (await post(node, body(part, model="default"))).status == 200
    assert [model.name for model, _, _ in node.dispatcher.opened] == ["eye", "chat"]


# ------------------------------------------------------------------ refusals before any work
@WAYS
@pytest.mark.parametrize(
    ("url", "policy", "status", "says"),
    [
        ("https://a.example/none", {}, 400, "answered 404"),
        ("https://ana:secret@a.example/", {}, 400, "user name or password"),
        ("http://inside.example/", {}, 400, "not public"),
        ("file:///etc/passwd", {}, 400, "must start with https"),
        ("data:image/png;base64,???", {}, 400, "not valid base64"),
        ("data:text/plain;base64,aGk=", {}, 400, "another type than image"),
        (URL, {"fetch": "off"}, 400, "send a data URL"),
        (URL, {"fetch": "allowlist"}, 400, "not on the list"),
        (URL, {"max_bytes": 2}, 413, "larger than 2 bytes"),
        (URL, {"total": 2}, 413, "larger than 2 bytes"),
    ],
)
async def test_media_that_cannot_be_had(url, policy, status, says, more):
    web = FakeWeb({URL: page(b"cat"), "https://a.example/none": page(status=404)}, inside_example=[["10.0.0.1"]])
    given = body({"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}, **more)
    got, error = await error_of(see(web=web, **policy), given)
    assert (got, error["param"]) == (status, "messages[0].content[1]")
    assert says in error["message"]
    assert "secret" not in error["message"]


async def test_tokens_of_pictures_are_not_counted():
    done = await Exchange(make_app(see()), "/tokenize", body(IMAGE)).run()
    error = json.loads(done.body)["error"]
    assert (done.status, error["param"]) == (400, "messages[0].content[0]")
    assert "/tokenize reads text" in error["message"]


@WAYS
async def test_a_client_that_leaves_ends_the_fetch(more):
    entered, left = asyncio.Event(), asyncio.Event()

    async def endless():
        entered.set()
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            left.set()

    node = see(web=FakeWeb({URL: page(endless)}))
    exchange = Exchange(make_app(node), PATH, body(IMAGE, **more))
    running = asyncio.create_task(exchange.run())
    await entered.wait()
    exchange.leave()
    await running
    assert left.is_set()
    assert (exchange.status, node.dispatcher.opened) == (499, [])
