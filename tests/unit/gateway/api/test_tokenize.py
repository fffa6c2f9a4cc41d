from __future__ import annotations

import asyncio
import json

import pytest

from shared.errors import ContextLengthExceeded
from shared.messages import Count, Detokenize, Finished, TextDelta, Tokens
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app, make_node


def counts(work):
    return [Tokens(work.request, (5, 6, 7), 4096), Finished(work.request)]


async def post(node, path, body):
    done = await Exchange(make_app(node), path, body).run()
    return done.status, json.loads(done.body)


@pytest.mark.parametrize("what", [{"prompt": "hi"}, {"messages": [{"role": "user", "content": "hi"}]}])
async def test_tokenize(what):
    node = make_node(counts)
    status, body = await post(node, "/tokenize", {"model": "chat", **what})
    assert (status, body) == (200, {"count": 3, "max_model_len": 4096, "tokens": [5, 6, 7], "token_strs": None})
    assert isinstance(node.dispatcher.work, Count)


async def test_detokenize():
    node = make_node(lambda work: [TextDelta(work.request, 0, "hi"), Finished(work.request)])
    assert await post(node, "/detokenize", {"model": "chat", "tokens": [5, 6]}) == (200, {"prompt": "hi"})
    assert node.dispatcher.work == Detokenize(node.dispatcher.work.request, (5, 6))


async def test_no_tokens_is_no_answer():
    status, body = await post(make_node(lambda work: []), "/tokenize", {"model": "chat", "prompt": "hi"})
    assert (status, body["error"]["code"]) == (500, "internal_error")


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {"model": "chat"}, 400, "prompt"),
        ("/tokenize", {"model": "nope", "prompt": "x"}, 404, "model"),
        ("/tokenize", {"model": "org/whisper", "prompt": "x"}, 400, "model"),
        ("/detokenize", {"model": "chat", "tokens": "x"}, 400, "tokens"),
        ("/detokenize", {"tokens": [1]}, 400, "model"),
    ],
)
async def test_refusals(path, body, status, param):
    got, answer = await post(make_node(counts), path, body)
    assert (got, answer["error"]["param"]) == (status, param)


async def test_a_workers_refusal():
    node = make_node(lambda work: [ContextLengthExceeded("long", param="prompt")])
    status, body = await post(node, "/tokenize", {"model": "chat", "prompt": "x"})
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")


async def test_a_client_that_leaves_cancels_the_work():
    entered = asyncio.Event()

    def never(work):
        entered.set()
        return [asyncio.Event()]

    node = make_node(never)
    exchange = Exchange(make_app(node), "/tokenize", {"model": "chat", "prompt": "x"})
    running = asyncio.create_task(exchange.run())
    await entered.wait()
    exchange.leave()
    await running
    assert node.dispatcher.streams[0].cancelled
