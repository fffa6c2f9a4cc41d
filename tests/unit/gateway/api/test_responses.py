from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from dataclasses import replace

import pytest

from gateway.responses.runs import Runs
from gateway.responses.service import Responses
from gateway.responses.store import ResponseStore
from shared.errors import ContextLengthExceeded, InternalError, ModelUnavailable, Overloaded, WorkerLost
from shared.messages import Accepted, Finished, TextDelta, Tokens
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import USAGE, make_app, make_node, says

PATH = "/v1/responses"
HI = {"model": "chat", "input": "hi"}
STREAM = HI | {"stream": True}
BACKGROUND = HI | {"background": True}


@pytest.fixture
async def closing():
    nodes = []
    yield nodes.append
    for node in nodes:
        await node.responses.close()


@pytest.fixture
def make(closing):
    def made(*args, **kwargs):
        node = make_node(*args, **kwargs)
        closing(node)
        return node

    return made


async def post(node, body=HI, path=PATH):
    return await Exchange(make_app(node), path, body).run()


async def get(node, path, query="", method="GET"):
    exchange = Exchange(make_app(node), f"{PATH}/{path}", method=method)
    exchange.scope["query_string"] = query.encode()
    return await exchange.run()


def body_of(done):
    return json.loads(done.body)


def events(done):
    frames = [frame for frame in done.body.decode().split("\n\n") if frame.startswith("event:")]
    return [json.loads(frame.split("\ndata: ")[1]) for frame in frames]


def gated(gate: asyncio.Event, *texts: str):
    return lambda work: [Accepted(work.request), TextDelta(work.request, 0, "Hel"), gate, *says(*texts)(work)]


async def ended(node, response_id):
    """The response once its run is over."""
    run = node.responses.runs.get(response_id)
    if run is not None:
        async for _ in run.follow(-1):
            pass
        while node.responses.runs.get(response_id) is not None:
            await asyncio.sleep(0)
    return body_of(await get(node, response_id))


# ------------------------------------------------------------------ answers
async def test_an_answer_is_given_and_kept(make):
    node = make(request_timeout=30)
    done = await post(node)
    answer = body_of(done)
    assert done.status == 200
    assert answer["output"][0]["content"][0]["text"] == "Hello!"
    assert (answer["id"], answer["model"], answer["status"]) == (node.dispatcher.work.request, "chat", "completed")
    assert answer["usage"]["input_tokens_details"]["cached_tokens"] == 4
    assert node.dispatcher.opened[-1][2] == 130.0
    assert body_of(await get(node, answer["id"])) == answer


async def test_what_shall_not_be_kept_is_not(make):
    node = make()
    for body in (HI | {"store": False}, STREAM | {"store": False}):
        await post(node, body)
        assert (await get(node, node.dispatcher.work.request)).status == 404


async def test_a_stream_is_kept_as_it_ended(make):
    node = make()
    done = await post(node, STREAM)
    found = events(done)
    assert done.headers["content-type"].startswith("text/event-stream")
    assert [one["type"] for one in found[:2]] == ["response.created", "response.in_progress"]
    assert found[-1]["type"] == "response.completed"
    assert body_of(await get(node, found[-1]["response"]["id"])) == found[-1]["response"]


class SlowStore(ResponseStore):
    """Writes when it is told to."""

    def __init__(self):
        super().__init__(None)
        self.asked = asyncio.Event()
        self.written: Future[None] = Future()

    def save_soon(self, record):
        self.asked.set()
        return self.written


def with_store(node, store):
    return replace(node, responses=Responses(store, Runs(store)))


async def test_a_stream_ends_when_it_is_written_down(make):
    store = SlowStore()
    node = with_store(make(), store)
    exchange = Exchange(make_app(node), PATH, STREAM)
    running = asyncio.create_task(exchange.run())
    await store.asked.wait()
    assert b"response.output_item.done" in exchange.body
    assert b"response.completed" not in exchange.body
    store.written.set_result(None)
    assert events(await running)[-1]["type"] == "response.completed"
    await store.close()


async def test_an_answer_that_cannot_be_kept_is_still_given(make):
    store = SlowStore()
    store.written.set_exception(InternalError("disk full"))
    node = with_store(make(), store)
    assert events(await post(node, STREAM))[-1]["type"] == "response.completed"
    assert body_of(await post(node))["status"] == "completed"
    assert (await post(node, BACKGROUND)).status == 500  # this one could never be found again
    assert node.dispatcher.streams[-1].closed.is_set()
    await store.close()


@pytest.mark.parametrize("body", [HI, STREAM, BACKGROUND], ids=["whole", "stream", "background"])
async def test_a_refusal_at_the_door_keeps_its_status(make, body):
    node = make()
    node.dispatcher.refusal = Overloaded("full", retry_after=7)
    done = await post(node, body)
    assert (done.status, done.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("body", [HI, STREAM], ids=["whole", "stream"])
async def test_a_failure_before_the_first_event_keeps_its_status(make, body):
    done = await post(make(lambda work: [ModelUnavailable("down", retry_after=60)]), body)
    assert (done.status, body_of(done)["error"]["code"]) == (503, "model_unavailable")


@pytest.mark.parametrize(("fault", "message"), [(WorkerLost("gone"), "gone"), (RuntimeError("secret"), "Request id")])
async def test_a_failure_in_the_middle_is_told_and_kept(make, fault, message):
    node = make(lambda work: [Accepted(work.request), TextDelta(work.request, 0, "Hel"), fault])
    done = await post(node, STREAM)
    last = events(done)[-1]
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
    assert message in last["response"]["error"]["message"]
    assert b"secret" not in done.body
    kept = body_of(await get(node, last["response"]["id"]))
    assert (kept["status"], kept["output"][0]["content"][0]["text"]) == ("failed", "Hel")


async def test_a_client_that_leaves_cancels_the_work_and_that_is_kept(make):
    reached = asyncio.Event()
    node = make(gated(asyncio.Event()))
    exchange = Exchange(make_app(node), PATH, STREAM)
    exchange.on_body = lambda data: reached.set() if b"output_text.delta" in data else None
    running = asyncio.create_task(exchange.run())
    await reached.wait()
    exchange.leave()
    await running
    assert node.dispatcher.streams[0].cancelled
    assert body_of(await get(node, node.dispatcher.work.request))["status"] == "cancelled"


@pytest.mark.parametrize("body", [HI, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("param", "named"),
    [
        ("messages", "input"),
        ("response_format", "text.format"),
        ("tools[1].function.parameters", "tools[1].tools[0].parameters"),
        ("top_k", "top_k"),
    ],
)
async def test_a_workers_refusal_names_what_the_client_sent(make, body, param, named):
    node = make(lambda work: [ContextLengthExceeded("too long", param=param)])
    function = {"type": "function", "name": "f"}
    tools = [function, {"type": "namespace", "name": "n", "tools": [function]}]
    done = await post(node, body | {"tools": tools})
    assert (done.status, body_of(done)["error"]["param"]) == (400, named)


# ------------------------------------------------------------------ conversations
async def test_a_conversation_goes_on(make):
    node = make()
    first = body_of(await post(node, HI | {"instructions": "be brief"}))
    again = HI | {"input": "more", "previous_response_id": first["id"]}
    second = body_of(await post(node, again))
    assert second["previous_response_id"] == first["id"]
    said = [(one.role, one.content[0].text) for one in node.dispatcher.work.prompt.messages]
    assert said == [("user", "hi"), ("assistant", "Hello!"), ("user", "more")]  # instructions are not carried over
    items = body_of(await get(node, f"{second['id']}/input_items", "order=asc"))
    assert [item["type"] for item in items["data"]] == ["message", "message", "message"]
    assert body_of(await get(node, f"{second['id']}/input_items", "limit=1"))["has_more"] is True


async def test_items_are_sent_by_their_ids(make):
    node = make()
    first = body_of(await post(node))
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    await post(node, HI | {"input": [reference, {"role": "user", "content": "more"}]})
    assert [one.role for one in node.dispatcher.work.prompt.messages] == ["assistant", "user"]
    unknown = await post(node, HI | {"input": [{"type": "item_reference", "id": "msg_x"}]})
    assert (unknown.status, body_of(unknown)["error"]["param"]) == (404, "input[0].id")


async def test_a_previous_response_has_to_be_there_and_done(make):
    gate = asyncio.Event()
    node = make(gated(gate))
    running = body_of(await post(node, BACKGROUND))
    for previous, code in (("resp_x", "previous_response_not_found"), (running["id"], "invalid_value")):
        error = await post(node, HI | {"previous_response_id": previous})
        assert (error.status, body_of(error)["error"]["code"]) == (400, code)
        assert body_of(error)["error"]["param"] == "previous_response_id"


async def test_a_deleted_response_is_gone(make):
    node = make()
    first = body_of(await post(node))
    deleted = await get(node, first["id"], method="DELETE")
    assert body_of(deleted) == {"id": first["id"], "object": "response", "deleted": True}
    for method in ("GET", "DELETE"):
        assert (await get(node, first["id"], method=method)).status == 404
    assert (await get(node, f"{first['id']}/input_items")).status == 404


# ------------------------------------------------------------------ in the background
async def test_a_background_response_runs_by_itself(make):
    gate = asyncio.Event()
    node = make(gated(gate, "lo"))
    answer = body_of(await post(node, BACKGROUND))
    assert (answer["status"], answer["output"], answer["background"]) == ("queued", [], True)
    gate.set()
    assert (await ended(node, answer["id"]))["output"][0]["content"][0]["text"] == "Hello"


async def test_a_background_response_is_cancelled_once(make):
    node = make(gated(asyncio.Event()))
    answer = body_of(await post(node, BACKGROUND))
    for _ in range(2):
        done = await get(node, f"{answer['id']}/cancel", method="POST")
        assert (done.status, body_of(done)["status"]) == (200, "cancelled")
    assert node.dispatcher.streams[0].cancelled
    assert body_of(await get(node, answer["id"]))["status"] == "cancelled"


async def test_only_background_responses_are_cancelled(make):
    node = make()
    answer = body_of(await post(node))
    assert (await get(node, f"{answer['id']}/cancel", method="POST")).status == 400
    assert (await get(node, "resp_x/cancel", method="POST")).status == 404


@pytest.mark.parametrize("fault", [WorkerLost("gone"), RuntimeError("secret")])
async def test_a_background_failure_is_kept(make, fault):
    node = make(lambda work: [TextDelta(work.request, 0, "Hel"), fault])
    answer = body_of(await post(node, BACKGROUND))
    kept = await ended(node, answer["id"])
    assert (kept["status"], kept["error"]["code"]) == ("failed", "server_error")
    assert "secret" not in kept["error"]["message"]


async def test_a_background_stream_outlives_its_client_and_is_followed_from_anywhere(make):
    gate, reached = asyncio.Event(), asyncio.Event()
    node = make(gated(gate, "lo"))
    exchange = Exchange(make_app(node), PATH, BACKGROUND | {"stream": True})
    exchange.on_body = lambda data: reached.set() if b"output_text.delta" in data else None
    running = asyncio.create_task(exchange.run())
    await reached.wait()
    exchange.leave()
    await running
    seen = events(exchange)
    assert [one["type"] for one in seen[:3]] == ["response.created", "response.queued", "response.in_progress"]
    response_id = seen[0]["response"]["id"]
    following = asyncio.create_task(get(node, response_id, "stream=true&starting_after=2"))
    gate.set()
    rest = events(await following)
    assert [one["sequence_number"] for one in rest] == list(range(3, 3 + len(rest)))
    assert rest[-1]["type"] == "response.completed"
    await ended(node, response_id)
    assert events(await get(node, response_id, "stream=true&starting_after=2")) == rest


async def test_what_was_no_background_stream_is_not_streamed_again(make):
    node = make()
    answer = body_of(await post(node))
    done = await get(node, answer["id"], "stream=true")
    assert (done.status, body_of(done)["error"]["param"]) == (400, "stream")
    done = await get(node, answer["id"], "stream=true&starting_after=x")
    assert body_of(done)["error"]["param"] == "starting_after"


async def test_a_run_that_is_no_stream_is_not_streamed(make):
    node = make(gated(asyncio.Event()))
    answer = body_of(await post(node, BACKGROUND))
    assert (await get(node, answer["id"], "stream=true")).status == 400
    assert body_of(await get(node, answer["id"]))["status"] == "in_progress"


async def test_a_node_that_stops_fails_what_runs(make):
    node = make(gated(asyncio.Event()))
    answer = body_of(await post(node, BACKGROUND))
    await node.responses.runs.close()
    kept = body_of(await get(node, answer["id"]))
    assert (kept["status"], kept["error"]["message"]) == ("failed", "The node was stopped.")
    assert node.dispatcher.streams[0].cancelled


# ------------------------------------------------------------------ the rest
async def test_tokens_are_counted(make):
    node = make(lambda work: [Tokens(work.request, (1, 2, 3), 4096), Finished(work.request, USAGE)])
    done = await post(node, path=f"{PATH}/input_tokens")
    assert body_of(done) == {"object": "response.input_tokens", "input_tokens": 3}


async def test_a_websocket_is_told_to_post(make):
    done = await Exchange(make_app(make()), PATH, method="GET", upgrade="websocket").run()
    assert done.status == 426


@pytest.mark.parametrize("body", [HI, STREAM, BACKGROUND], ids=["whole", "stream", "background"])
@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"model": "nope"}, 404, "model", "model_not_found"),
        ({"model": "org/whisper"}, 400, "model", "wrong_modality"),
        ({"conversation": "c"}, 400, "conversation", "unsupported_parameter"),
        ({"input": [{"type": "x"}]}, 400, "input[0].type", "invalid_value"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, 400, "tools[0].server_label", "invalid_value"),
    ],
)
async def test_refusals_before_any_work(make, body, change, status, param, code):
    node = make()
    done = await post(node, body | change)
    error = body_of(done)["error"]
    assert (done.status, error["param"], error["code"]) == (status, param, code)
    assert node.dispatcher.opened == []


async def test_compaction_is_refused(make):
    done = await post(make(), path=f"{PATH}/compact")
    assert (done.status, body_of(done)["error"]["code"]) == (400, "unsupported_parameter")
