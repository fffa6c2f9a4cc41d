from __future__ import annotations

import asyncio
import json

import pytest

from shared.errors import ContextLengthExceeded, Overloaded, WorkerLost
from shared.messages import ChoiceFinished, Finished, TextDelta
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app, make_node

PATH = "/v1/completions"
BASE = {"model": "gpt-4o", "prompt": "hi"}
TWO = BASE | {"prompt": ["one", "two"], "n": 2}


def repeats(work):
    text = work.prompt.text or str(work.prompt.tokens)
    choices = range(work.n)
    said = [TextDelta(work.request, choice, f"{text}{choice}") for choice in choices]
    return [*said, *(ChoiceFinished(work.request, choice, "stop") for choice in choices), Finished(work.request)]


async def post(node, body):
    return await Exchange(make_app(node), PATH, body).run()


def chunks(done):
    return [json.loads(event[6:]) for event in done.body.decode().split("\n\n")[:-2]]


async def test_an_answer():
    node = make_node(repeats)
    done = await post(node, BASE)
    answer = json.loads(done.body)
    assert (done.status, answer["model"], answer["choices"][0]["text"]) == (200, "chat", "hi0")
    assert answer["id"] == node.dispatcher.work.request
    assert answer["id"].startswith("cmpl-")


async def test_each_prompt_is_a_request_of_its_own_and_usage_is_theirs_together():
    node = make_node(repeats)
    answer = json.loads((await post(node, TWO)).body)
    assert [(one["index"], one["text"]) for one in answer["choices"]] == [
        (0, "one0"),
        (1, "one1"),
        (2, "two0"),
        (3, "two1"),
    ]
    assert len(node.dispatcher.opened) == 2
    assert answer["usage"]["prompt_tokens"] == 14


async def test_a_stream_of_several_prompts():
    done = await post(make_node(repeats), TWO | {"stream": True, "stream_options": {"include_usage": True}})
    found = chunks(done)
    texts = {
        one["choices"][0]["index"]: one["choices"][0]["text"]
        for one in found
        if one["choices"][0:1] and one["choices"][0]["text"]
    }
    assert texts == {0: "one0", 1: "one1", 2: "two0", 3: "two1"}
    assert found[-1]["usage"]["prompt_tokens"] == 14
    assert done.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("prompt", "param"), [("a", "prompt"), (["a"], "prompt[0]"), (["a", "bad"], "prompt[1]"), ([1, 2], "prompt")]
)
async def test_a_prompt_that_is_too_long_is_named(prompt, param, stream):
    def refuses(work):
        if isinstance(prompt, list) and work.prompt.text == "a" and len(prompt) > 1:
            return [asyncio.Event()]
        return [ContextLengthExceeded("too long", param="prompt")]

    node = make_node(refuses)
    done = await post(node, BASE | {"prompt": prompt, "stream": stream})
    assert (done.status, json.loads(done.body)["error"]["param"]) == (400, param)
    assert all(one.closed.is_set() for one in node.dispatcher.streams)


@pytest.mark.parametrize("body", [BASE, TWO, TWO | {"stream": True}])
async def test_a_refusal_at_the_door_keeps_its_status(body):
    node = make_node(repeats)
    node.dispatcher.refusal = Overloaded("full", retry_after=7)
    done = await post(node, body)
    assert (done.status, done.headers["retry-after"]) == (429, "7")


async def test_an_error_in_a_stream_is_an_event_and_the_end():
    done = await post(
        make_node(lambda work: [TextDelta(work.request, 0, "a"), WorkerLost("gone")]), BASE | {"stream": True}
    )
    assert done.status == 200
    assert json.loads(done.body.decode().split("\n\n")[-2][6:])["error"]["code"] == "worker_lost"
    assert b"[DONE]" not in done.body


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_all_prompts(stream):
    entered = []
    both = asyncio.Event()

    def never(work):
        entered.append(work)
        if len(entered) == 2:
            both.set()
        return [asyncio.Event()]

    node = make_node(never)
    exchange = Exchange(make_app(node), PATH, TWO | {"stream": stream})
    running = asyncio.create_task(exchange.run())
    await asyncio.wait_for(both.wait(), 10)
    exchange.leave()
    await asyncio.wait_for(running, 10)
    assert [one.cancelled for one in node.dispatcher.streams] == [True, True]


@pytest.mark.parametrize(
    ("change", "param"),
    [({"suffix": "x"}, "suffix"), ({"model": "nope"}, "model"), ({"guided_json": {"$ref": "#"}}, "guided_json")],
)
async def test_refusals_before_any_work(change, param):
    node = make_node(repeats)
    done = await post(node, BASE | change)
    assert json.loads(done.body)["error"]["param"] == param
    assert node.dispatcher.opened == []
