from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from shared.errors import (
    ContextLengthExceeded,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    WorkerLost,
)
from shared.lifecycle import State
from shared.messages import Accepted, ReasoningDelta, TextDelta
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import LOADING, READY, make_app, make_node, says

PATH = "/v1/chat/completions"
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
STREAM = CHAT | {"stream": True}


async def post(node, body, **headers):
    return await Exchange(make_app(node), PATH, body, **headers).run()


def events(body: bytes) -> list[str]:
    return [event for event in body.decode().split("\n\n") if event]


# ------------------------------------------------------------------ whole answers
async def test_an_answer():
    node = make_node()
    done = await post(node, CHAT)
    answer = json.loads(done.body)
    assert done.status == 200
    assert done.headers["content-type"] == "application/json"
    assert answer["choices"][0]["message"]["content"] == "Hello!"
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert answer["id"] == node.dispatcher.work.request


async def test_an_alias_answers_under_the_models_name():
    node = make_node()
    done = await post(node, CHAT | {"model": "gpt-4o"})
    assert json.loads(done.body)["model"] == "chat"
    assert node.dispatcher.opened[-1][0].name == "chat"


async def test_every_request_has_a_deadline_and_an_id_of_its_own():
    node = make_node(request_timeout=30)
    app = make_app(node)
    for _ in range(2):
        await Exchange(app, PATH, CHAT).run()
    assert [deadline for _, _, deadline in node.dispatcher.opened] == [130.0, 130.0]
    assert len({work.request for _, work, _ in node.dispatcher.opened}) == 2


async def test_reasoning_can_be_left_out():
    def thinks(work):
        return [ReasoningDelta(work.request, 0, "hm"), *says("4")(work)]

    shown = json.loads((await post(make_node(thinks), CHAT)).body)["choices"][0]["message"]
    assert (shown["reasoning"], shown["reasoning_content"], shown["content"]) == ("hm", "hm", "4")
    hidden = json.loads((await post(make_node(thinks), CHAT | {"include_reasoning": False})).body)
    assert "reasoning" not in hidden["choices"][0]["message"]


async def test_an_answer_that_ends_early_is_a_500():
    done = await post(make_node(lambda work: [TextDelta(work.request, 0, "Hel")]), CHAT)
    assert (done.status, json.loads(done.body)["error"]["code"]) == (500, "internal_error")


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"model": "nope"}, 404, "model", "model_not_found"),
        ({"model": "org/whisper"}, 400, "model", "wrong_modality"),
        ({"messages": []}, 400, "messages", "invalid_value"),
        ({"best_of": 2}, 400, "best_of", "unsupported_parameter"),
        ({"temperature": 5}, 400, "temperature", "invalid_value"),
    ],
)
async def test_refusals_before_any_work(body, change, status, param, code):
    node = make_node()
    done = await post(node, body | change)
    error = json.loads(done.body)["error"]
    assert (done.status, error["param"], error["code"]) == (status, param, code)
    assert node.dispatcher.opened == []


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
async def test_a_refusal_at_the_door_keeps_its_status(body):
    node = make_node()
    node.dispatcher.refusal = Overloaded("full", retry_after=7)
    done = await post(node, body)
    assert (done.status, done.headers["retry-after"]) == (429, "7")
    assert done.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ContextLengthExceeded("too long", param="messages"), 400),
        (ModelUnavailable("down", retry_after=60), 503),
        (WorkerLost("gone"), 503),
    ],
)
async def test_a_failure_before_the_first_event_keeps_its_status(body, error, status):
    node = make_node(lambda work: [error])
    done = await post(node, body)
    assert (done.status, json.loads(done.body)["error"]["code"]) == (status, error.code)
    assert node.dispatcher.streams[0].closed.is_set()


# ------------------------------------------------------------------ streams
async def test_a_stream():
    node = make_node(keep_alive=5)
    done = await post(node, STREAM)
    found = events(done.body)
    assert done.status == 200
    assert done.headers["content-type"].startswith("text/event-stream")
    assert (done.headers["cache-control"], done.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-length" not in done.headers
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in found[:-1]]
    assert [(one["delta"].get("role"), one["delta"].get("content"), one["finish_reason"]) for one in choices] == [
        ("assistant", "", None),
        (None, "Hello", None),
        (None, "!", None),
        (None, None, "stop"),
    ]
    assert found[-1] == "data: [DONE]"
    assert done.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert node.dispatcher.streams[0].waited == [5.0]


async def test_each_delta_leaves_at_once():
    gate = asyncio.Event()

    def slow(work):
        return [TextDelta(work.request, 0, "one"), gate, TextDelta(work.request, 0, "two"), *says()(work)]

    exchange = Exchange(make_app(make_node(slow)), PATH, STREAM)
    exchange.on_body = lambda data: gate.set() if b'"one"' in data else None
    done = await exchange.run()  # would never end if "one" waited for "two"
    assert b'"two"' in done.body


async def test_usage_comes_last():
    found = events((await post(make_node(), STREAM | {"stream_options": {"include_usage": True}})).body)
    last = json.loads(found[-2].removeprefix("data: "))
    assert (last["choices"], last["usage"]["total_tokens"], found[-1]) == ([], 10, "data: [DONE]")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(WorkerLost("gone"), "worker_lost"), (RuntimeError("secret"), "internal_error")],
)
async def test_an_error_after_the_first_byte_is_an_event_and_the_end(fault, code):
    node = make_node(lambda work: [Accepted(work.request), TextDelta(work.request, 0, "Hel"), fault])
    done = await post(node, STREAM)
    found = events(done.body)
    assert done.status == 200
    assert json.loads(found[-1].removeprefix("data: "))["error"]["code"] == code
    assert b"[DONE]" not in done.body
    assert b'"finish_reason":"' not in done.body
    assert b"secret" not in done.body
    assert done.sent[-1]["more_body"] is False


async def test_a_stream_that_ends_without_a_finish_is_an_error():
    done = await post(make_node(lambda work: [TextDelta(work.request, 0, "Hel")]), STREAM)
    assert json.loads(events(done.body)[-1].removeprefix("data: "))["error"]["code"] == InternalError.code
    assert b"[DONE]" not in done.body


# ------------------------------------------------------------------ waiting
@pytest.mark.parametrize(
    ("facts", "comment"),
    [
        (READY, ": waiting"),
        (LOADING, ": loading chat load 40%"),
        (replace(LOADING, fraction=None), ": loading chat load"),
        (replace(READY, state=State.BACKOFF), ": waiting for chat (backoff)"),
    ],
)
async def test_comments_while_a_request_waits(facts, comment):
    gate = asyncio.Event()
    node = make_node(lambda work: [gate, *says("Hello")(work)], keep_alive="1ms")
    node.fleet.facts[0] = facts
    exchange = Exchange(make_app(node), PATH, STREAM)
    seen: list[bytes] = []

    def three_comments(data: bytes) -> None:
        seen.append(data)
        if len(seen) == 3:
            gate.set()

    exchange.on_body = three_comments
    found = events((await exchange.run()).body)
    assert found[:3] == [comment] * 3
    assert json.loads(next(event for event in found if event.startswith("data"))[6:])["choices"][0]["delta"]["role"]
    assert found[-1] == "data: [DONE]"


async def test_comments_also_fill_a_pause_between_tokens():
    gate = asyncio.Event()
    node = make_node(lambda work: [TextDelta(work.request, 0, "Hel"), gate, *says("lo")(work)], keep_alive="1ms")
    exchange = Exchange(make_app(node), PATH, STREAM)
    exchange.on_body = lambda data: gate.set() if data.startswith(b":") else None
    found = events((await exchange.run()).body)
    assert found[0].startswith("data: ")
    assert ": waiting" in found


async def test_a_failure_while_waiting_is_an_event():
    gate = asyncio.Event()
    node = make_node(lambda work: [gate, ModelUnavailable("down")], keep_alive="1ms")
    exchange = Exchange(make_app(node), PATH, STREAM)
    exchange.on_body = lambda data: gate.set()
    done = await exchange.run()
    assert done.status == 200
    assert json.loads(events(done.body)[-1][6:])["error"]["code"] == "model_unavailable"


# ------------------------------------------------------------------ clients that leave
@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
async def test_a_client_that_leaves_while_it_waits_cancels_the_work(body):
    entered = asyncio.Event()

    def never(work):
        entered.set()
        return [asyncio.Event()]

    node = make_node(never)
    exchange = Exchange(make_app(node), PATH, body)
    running = asyncio.create_task(exchange.run())
    await entered.wait()
    exchange.leave()
    await running
    assert node.dispatcher.streams[0].cancelled


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
async def test_a_client_that_leaves_in_the_middle_cancels_the_work(body):
    reached = asyncio.Event()

    class Reached(asyncio.Event):
        async def wait(self):
            reached.set()
            return await super().wait()

    node = make_node(lambda work: [TextDelta(work.request, 0, "Hel"), Reached(), *says("lo")(work)])
    exchange = Exchange(make_app(node), PATH, body)
    running = asyncio.create_task(exchange.run())
    await reached.wait()
    exchange.leave()
    await running
    assert node.dispatcher.streams[0].cancelled
    assert b"[DONE]" not in exchange.body


async def test_a_send_that_fails_cancels_the_work():
    node = make_node(lambda work: [TextDelta(work.request, 0, "Hel"), asyncio.Event()])
    exchange = Exchange(make_app(node), PATH, STREAM)

    def broken(data: bytes) -> None:
        raise OSError("broken pipe")

    exchange.on_body = broken
    await exchange.run()
    assert node.dispatcher.streams[0].cancelled


async def test_a_finished_stream_is_not_cancelled():
    node = make_node()
    await post(node, STREAM)
    assert (node.dispatcher.streams[0].closed.is_set(), node.dispatcher.streams[0].cancelled) == (True, False)


# ------------------------------------------------------------------ bodies
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"a": ' + b"[" * 50_000,
        b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        rb'{"model": "chat", "messages": [{"role": "user", "content": "\ud800"}]}',
        b'{"model": "chat", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
        b'{"model": "chat", "messages": [{"role": "user", "content": "x"}], "seed": 1' + b"0" * 4000 + b"}",
    ],
    ids=lambda body: str(body[:24]),
)
async def test_a_bad_body_is_a_400(body):
    done = await post(make_node(), body)
    assert done.status == 400
    assert json.loads(done.body)["error"]["type"] == "invalid_request_error"


async def test_a_surrogate_is_named_by_its_place():
    body = rb'{"model": "chat", "messages": [{"role": "user", "content": "\ud800"}]}'
    error = json.loads((await post(make_node(), body)).body)["error"]
    assert error["param"] == "messages[0].content"


# ------------------------------------------------------------------ what the worker names
@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["guided_regex", "structured_outputs.regex"])
async def test_a_grammar_that_cannot_be_compiled_is_named_by_the_clients_parameter(body, name):
    node = make_node(lambda work: [InvalidRequest("no", param="structured_outputs.regex")])
    given = {"guided_regex": "a"} if name == "guided_regex" else {"structured_outputs": {"regex": "a"}}
    done = await post(node, body | given)
    assert (done.status, json.loads(done.body)["error"]["param"]) == (400, name)
