from __future__ import annotations

import asyncio
import base64
import json
import struct

import openai
import pytest

from shared.errors import ContextLengthExceeded
from shared.messages import Accepted, EmbedInput, Finished
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import FakeStream, make_app
from tests.fakes.modalities import client_of, embeds, make_modal_node

PATH = "/v1/embeddings"
ROWS = [(0.5, -1.0, 2.0), (0.25, 0.0, 1.0)]
TWO = embeds(*ROWS)


async def post(node, body):
    return await Exchange(make_app(node), PATH, body).run()


def error_of(done):
    return done.status, *(json.loads(done.body)["error"][key] for key in ("param", "code", "message"))


@pytest.mark.parametrize("more", [{}, {"encoding_format": "float"}])
async def test_the_official_client(more):
    """By itself it asks for base64 and unpacks it, which its own strict validation refuses."""
    node = make_modal_node(TWO)
    async with client_of(node, strict=bool(more)) as client:
        answer = await client.embeddings.create(model="embed", input=["a", "b"], dimensions=3, user="me", **more)
    assert [tuple(one.embedding) for one in answer.data] == ROWS
    assert [one.index for one in answer.data] == [0, 1]
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("embed", 7, 7)
    assert node.dispatcher.work.dimensions == 3


async def test_base64_is_little_endian_float32():
    done = await post(make_modal_node(TWO), {"input": ["a", "b"], "encoding_format": "base64"})
    assert done.headers["content-type"] == "application/json"
    data = json.loads(done.body)["data"]
    assert [struct.unpack("<3f", base64.b64decode(one["embedding"])) for one in data] == ROWS


async def test_the_shape():
    body = json.loads((await post(make_modal_node(embeds([0.5])), {"input": "a"})).body)
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "embed",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", (EmbedInput("a"),)),
        (["a", " "], (EmbedInput("a"), EmbedInput(" "))),
        ([1, 2], (EmbedInput(tokens=(1, 2)),)),
        ([[1], [2, 3]], (EmbedInput(tokens=(1,)), EmbedInput(tokens=(2, 3)))),
    ],
)
async def test_inputs(given, inputs):
    node = make_modal_node(embeds(*[[1.0]] * len(inputs)))
    assert (await post(node, {"model": "embed", "input": given})).status == 200
    assert node.dispatcher.work.inputs == inputs


async def test_2048_inputs_are_the_most():
    many = embeds(*[[1.0]] * 2048)
    assert (await post(make_modal_node(many), {"input": ["a"] * 2048})).status == 200
    assert error_of(await post(make_modal_node(many), {"input": ["a"] * 2049}))[:2] == (400, "input")


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input": ""}, "input", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": None}, "input", "invalid_value"),
        ({"input": {"text": "a"}}, "input", "invalid_value"),
        ({"input": ["a", ""]}, "input[1]", "invalid_value"),
        ({"input": [[1], []]}, "input[1]", "invalid_value"),
        ({"input": ["a", None]}, "input[1]", "invalid_value"),
        ({"input": [1, -2]}, "input", "invalid_value"),
        ({"input": [1, "a"]}, "input", "invalid_value"),
        ({"input": [[1, True]]}, "input[0]", "invalid_value"),
        ({"input": [[2**31]]}, "input[0]", "invalid_value"),
        ({"encoding_format": "int8"}, "encoding_format", "invalid_value"),
        ({"dimensions": 0}, "dimensions", "invalid_value"),
        ({"dimensions": 1.5}, "dimensions", "invalid_value"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens", "unsupported_parameter"),
        ({"model": "chat"}, "model", "wrong_modality"),
    ],
)
async def test_refusals_name_the_parameter(change, param, code):
    node = make_modal_node(TWO)
    found = error_of(await post(node, {"model": "embed", "input": "a"} | change))
    assert found[:3] == (400, param, code)
    assert node.dispatcher.opened == []


async def test_input_is_required():
    assert error_of(await post(make_modal_node(TWO), {"model": "embed"}))[:2] == (400, "input")


async def test_the_wrong_model_says_what_it_can_do():
    async with client_of(make_modal_node(TWO)) as client:
        with pytest.raises(openai.BadRequestError, match="is for transcription"):
            await client.embeddings.create(model="whisper", input="a")


async def test_the_workers_error():
    node = make_modal_node(lambda work: [ContextLengthExceeded("long", param="input[1]")])
    assert error_of(await post(node, {"input": "a"}))[:3] == (400, "input[1]", "context_length_exceeded")


@pytest.mark.parametrize(
    "script",
    [TWO, lambda work: [Finished(work.request)], embeds([float("nan")])],
    ids=["too many vectors", "none", "not a number"],
)
async def test_an_answer_that_is_none_is_a_500(script):
    assert error_of(await post(make_modal_node(script), {"input": "a"}))[:3] == (500, None, "internal_error")


async def test_large_answers_are_made_in_a_thread(monkeypatch):
    calls = []

    async def to_thread(function, *args):
        calls.append(function)
        return function(*args)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    await post(make_modal_node(TWO), {"input": ["a", "b"]})
    assert calls == []
    wide = embeds([0.5] * 70_000)
    done = await post(make_modal_node(wide), {"input": "a"})
    assert len(calls) == 1
    assert json.loads(done.body)["data"][0]["embedding"] == [0.5] * 70_000


async def test_a_whole_answer_survives_a_workers_death(monkeypatch):
    asked = []
    plain = FakeStream.whole

    async def whole(stream):
        asked.append(stream)
        return await plain(stream)

    monkeypatch.setattr(FakeStream, "whole", whole)
    node = make_modal_node(embeds([1.0]))
    await post(node, {"input": "a"})
    assert asked == node.dispatcher.streams


async def test_a_client_that_leaves_cancels():
    gate = asyncio.Event()
    node = make_modal_node(lambda work: [Accepted(work.request), gate])
    exchange = Exchange(make_app(node), PATH, {"input": "a"})
    task = asyncio.create_task(exchange.run())
    while not node.dispatcher.streams:
        await asyncio.sleep(0)
    exchange.leave()
    assert (await task).status == 499
    assert node.dispatcher.streams[0].cancelled
