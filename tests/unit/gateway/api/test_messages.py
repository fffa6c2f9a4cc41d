"""Anthropic's official client, unchanged and strict, over an ASGI transport."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from gateway.media.load import MediaLoader
from gateway.routing.registry import ModelEntry, Registry
from shared.config import MediaSection, ModelConfig
from shared.errors import (
    Cancelled,
    ContextLengthExceeded,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    WorkerLost,
)
from shared.messages import (
    Accepted,
    ChoiceFinished,
    Count,
    Finished,
    MediaPart,
    ReasoningDelta,
    TextDelta,
    TextPart,
    Tokens,
    ToolCallDelta,
)
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import USAGE, make_app, make_node, says
from tests.fakes.web import FakeWeb, page

PATH = "/v1/messages"
HI = [{"role": "user", "content": "hi"}]
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}}}
WAYS = pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "stream"])


def client_of(node) -> AsyncAnthropic:
    return AsyncAnthropic(
        api_key="none",
        base_url="http://test",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=make_app(node))),
        _strict_response_validation=True,
    )


async def create(node, **more):
    given = {"model": "chat", "max_tokens": 3, "messages": HI} | more
    async with client_of(node) as client:
        return await client.messages.create(**given)


async def events_of(node, **more):
    stream = await create(node, stream=True, **more)
    return [event async for event in stream]


def body(**more):
    return {"model": "chat", "max_tokens": 10, "messages": HI} | more


async def post(node, given, path=PATH, **headers):
    return await Exchange(make_app(node), path, given, **headers).run()


def thinks_and_calls(work):
    rid = work.request
    return [
        Accepted(rid, 7, 4),
        ReasoningDelta(rid, 0, "Let me "),
        ReasoningDelta(rid, 0, "look."),
        TextDelta(rid, 0, "\n\n"),
        TextDelta(rid, 0, "Sure."),
        TextDelta(rid, 0, "\n"),
        ToolCallDelta(rid, 0, 0, "call_1", "weather", '{"place": '),
        ToolCallDelta(rid, 0, 0, arguments='"Bern"}'),
        TextDelta(rid, 0, "\n"),
        ToolCallDelta(rid, 0, 1, "call_2", "weather"),
        ChoiceFinished(rid, 0, "tool_calls"),
        Finished(rid, USAGE),
    ]


BLOCKS = [
    ("thinking", "Let me look."),
    ("text", "\n\nSure.\n"),
    ("tool_use", "call_1", "weather", {"place": "Bern"}),
    ("tool_use", "call_2", "weather", {}),
]


def shown(content):
    def one(block):
        if block.type == "tool_use":
            return (block.type, block.id, block.name, block.input)
        return (block.type, getattr(block, block.type))

    return [one(block) for block in content]


# ------------------------------------------------------------------ answers
async def test_an_answer():
    node = make_node()
    answer = await create(node, stop_sequences=["END"], system="be brief", extra_body={"top_k": 5, "temperature": 0.5})
    assert answer.id.startswith("msg_")
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "chat")
    assert shown(answer.content) == [("text", "Hello!")]
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 4, 0)
    assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (3, 1)
    sampling = node.dispatcher.work.sampling
    assert (sampling.max_tokens, sampling.stop, sampling.top_k, sampling.temperature) == (3, ("END",), 5, 0.5)
    assert node.dispatcher.work.prompt.messages[0].content == (TextPart("be brief"),)


async def test_thought_text_and_calls_are_blocks():
    answer = await create(make_node(thinks_and_calls), tools=[WEATHER])
    assert shown(answer.content) == BLOCKS
    assert answer.content[0].signature
    assert answer.stop_reason == "tool_use"


async def test_the_helper_of_the_client_puts_the_same_together():
    given = {"model": "chat", "max_tokens": 3, "messages": HI, "tools": [WEATHER]}
    async with client_of(make_node(thinks_and_calls)) as client, client.messages.stream(**given) as stream:
        answer = await stream.get_final_message()
    assert shown(answer.content) == BLOCKS
    assert answer.content[0].signature
    assert (answer.stop_reason, answer.usage.output_tokens) == ("tool_use", 3)


async def test_the_order_of_a_streams_events():
    done = await post(make_node(thinks_and_calls), body(stream=True, tools=[WEATHER]))
    assert done.headers["content-type"].startswith("text/event-stream")
    frames = [frame.split("\n") for frame in done.body.decode().split("\n\n") if frame]
    names = [frame[0].removeprefix("event: ") for frame in frames]
    datas = [json.loads(frame[1].removeprefix("data: ")) for frame in frames]
    assert [data["type"] for data in datas] == names
    told = [
        (name, data.get("index"), data.get("delta", {}).get("type")) for name, data in zip(names, datas, strict=True)
    ]
    start, delta, stop = "content_block_start", "content_block_delta", "content_block_stop"
    assert told == [
        ("message_start", None, None),
        ("ping", None, None),
        (start, 0, None),
        (delta, 0, "thinking_delta"),
        (delta, 0, "thinking_delta"),
        (delta, 0, "signature_delta"),
        (stop, 0, None),
        (start, 1, None),
        (delta, 1, "text_delta"),
        (delta, 1, "text_delta"),
        (stop, 1, None),
        (start, 2, None),
        (delta, 2, "input_json_delta"),
        (delta, 2, "input_json_delta"),
        (stop, 2, None),
        (start, 3, None),
        (stop, 3, None),
        ("message_delta", None, None),
        ("message_stop", None, None),
    ]
    assert datas[0]["message"]["usage"]["input_tokens"] == 3
    assert datas[0]["message"]["usage"]["cache_read_input_tokens"] == 4
    assert datas[0]["message"]["content"] == []
    assert datas[-2]["delta"]["stop_reason"] == "tool_use"
    assert datas[-2]["usage"]["output_tokens"] == 3


@pytest.mark.parametrize(
    ("reason", "stop", "asked", "wanted"),
    [
        ("stop", None, 10, ("end_turn", None)),
        ("stop", 151645, 10, ("end_turn", None)),
        ("stop", "END", 10, ("stop_sequence", "END")),
        ("length", None, 3, ("max_tokens", None)),
        ("length", None, 10, ("model_context_window_exceeded", None)),
        ("tool_calls", None, 10, ("tool_use", None)),
    ],
)
async def test_stop_reasons(reason, stop, asked, wanted):
    def script(work):
        return [ChoiceFinished(work.request, 0, reason, stop), Finished(work.request, USAGE)]

    answer = await create(make_node(script), max_tokens=asked)
    assert (answer.stop_reason, answer.stop_sequence) == wanted
    assert answer.content == []
    delta = (await events_of(make_node(script), max_tokens=asked))[-2].delta
    assert (delta.stop_reason, delta.stop_sequence) == wanted


async def test_a_thought_that_is_omitted_is_only_signed():
    thinking = {"type": "adaptive", "display": "omitted"}
    answer = await create(make_node(thinks_and_calls), thinking=thinking, tools=[WEATHER])
    assert shown(answer.content)[0] == ("thinking", "")
    assert answer.content[0].signature
    kinds = [
        event.delta.type
        for event in await events_of(make_node(thinks_and_calls), thinking=thinking)
        if event.type == "content_block_delta"
    ]
    assert kinds[0] == "signature_delta"
    assert "thinking_delta" not in kinds


async def test_arguments_that_were_cut_are_not_lost():
    def script(work):
        call = ToolCallDelta(work.request, 0, 0, "call_1", "weather", '{"place": "Be')
        return [call, ChoiceFinished(work.request, 0, "length"), Finished(work.request, USAGE)]

    answer = await create(make_node(script), tools=[WEATHER])
    assert (answer.content[0].input, answer.stop_reason) == ({"INVALID_JSON": '{"place": "Be'}, "max_tokens")


async def test_a_waiting_stream_gets_comments():
    gate = asyncio.Event()
    exchange = Exchange(make_app(make_node(lambda work: [gate, *says("hi")(work)])), PATH, body(stream=True))
    exchange.on_body = lambda _: gate.set()
    await exchange.run()
    assert exchange.body.startswith(b": waiting\n\nevent: message_start\n")


@WAYS
async def test_beta_requests_and_both_kinds_of_keys(more):
    for key in ({"api_key": "k"}, {"auth_token": "k"}):
        transport = httpx2.ASGITransport(app=make_app(make_node()))
        http = httpx2.AsyncClient(transport=transport)
        async with AsyncAnthropic(base_url="http://test", max_retries=0, http_client=http, **key) as client:
            found = await client.beta.messages.create(
                model="chat", max_tokens=3, messages=HI, betas=["new-2027-01-01"], **more
            )
            if more:
                assert [event.type async for event in found][-1] == "message_stop"
            else:
                assert found.content[0].text == "Hello!"


# ------------------------------------------------------------------ images
DATA = base64.b64encode(b"cat").decode()
INLINE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://a.example/cat.png"}}


def see():
    """A node whose `eye` sees, and whose `chat` does not."""
    web = FakeWeb({LINKED["source"]["url"]: page(b"cat")})
    media = MediaLoader(MediaSection(), 2**20, resolve=web.resolve, transport=web.transport)
    named = {"source": "x/y", "aliases": ("default",)}
    chat = ModelEntry("chat", ModelConfig(kind="llm", **named), kind="llm")
    eye = ModelEntry("eye", ModelConfig(kind="vlm", **named), kind="vlm", capabilities=("image",))
    return replace(make_node(), registry=Registry([chat, eye]), media=media)


@WAYS
async def test_images_travel_as_blobs_also_those_of_results(more):
    node = see()
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [INLINE]}
    messages = [{"role": "user", "content": [result, LINKED, {"type": "text", "text": "what?"}]}]
    done = await post(node, body(model="eye", messages=messages, **more))
    assert done.status == 200
    assert node.dispatcher.blobs == [(b"cat", b"cat")]
    tool, user = node.dispatcher.work.prompt.messages
    assert tool.content == (MediaPart("image", 0),)
    assert user.content == (MediaPart("image", 1), TextPart("what?"))


@pytest.mark.parametrize(
    ("model", "block", "says"),
    [
        ("chat", INLINE, "messages.0.content.0: this model reads text, not images"),
        ("eye", {**LINKED, "source": {"type": "url", "url": "ftp://a.example/x"}}, "messages.0.content.0"),
        ("eye", {**INLINE, "source": {**INLINE["source"], "data": "?"}}, "messages.0.content.0"),
        ("eye", {"type": "image", "source": {"type": "file", "file_id": "x"}}, "messages.0.content.0.image.source"),
    ],
)
async def test_images_that_cannot_be_had(model, block, says):
    node = see()
    done = await post(node, body(model=model, messages=[{"role": "user", "content": [block]}]))
    error = json.loads(done.body)["error"]
    assert (done.status, error["type"]) == (400, "invalid_request_error")
    assert says in error["message"]
    assert node.dispatcher.opened == []


async def test_default_is_the_model_that_sees_the_request():
    node = see()
    for content in ([INLINE], "hi"):
        await post(node, body(model="default", messages=[{"role": "user", "content": content}]))
    assert [entry.name for entry, _, _ in node.dispatcher.opened] == ["eye", "chat"]


# ------------------------------------------------------------------ counting
async def test_tokens_are_counted_as_they_will_be_read():
    node = make_node(lambda work: [Tokens(work.request, (5, 6, 7), 4096), Finished(work.request)])
    async with client_of(node) as client:
        count = await client.messages.count_tokens(model="chat", messages=HI, tools=[WEATHER], system="be brief")
    assert count.input_tokens == 3
    counted = node.dispatcher.work
    assert isinstance(counted, Count)
    await post(node, body(tools=[WEATHER], system="be brief"))
    assert node.dispatcher.work.prompt == counted.prompt


async def test_no_tokens_is_no_answer():
    done = await post(make_node(lambda work: []), {"model": "chat", "messages": HI}, f"{PATH}/count_tokens")
    assert (done.status, json.loads(done.body)["error"]["type"]) == (500, "api_error")


# ------------------------------------------------------------------ errors
@WAYS
@pytest.mark.parametrize(
    ("error", "raised", "status", "kind"),
    [
        (ContextLengthExceeded("long", param="messages"), anthropic.BadRequestError, 400, "invalid_request_error"),
        (Overloaded("full", retry_after=7), anthropic.RateLimitError, 429, "rate_limit_error"),
        (InternalError("oh"), anthropic.InternalServerError, 500, "api_error"),
        (ModelUnavailable("down"), anthropic.OverloadedError, 529, "overloaded_error"),
        (DeadlineExceeded("late"), anthropic.GatewayTimeoutError, 504, "timeout_error"),
        (Cancelled("gone"), anthropic.ClientClosedRequestError, 499, "invalid_request_error"),
    ],
)
async def test_the_clients_errors(more, error, raised, status, kind):
    with pytest.raises(raised) as caught:
        await create(make_node(lambda work: [error]), **more)
    found = caught.value
    assert (found.status_code, found.body["type"], found.body["error"]["type"]) == (status, "error", kind)
    assert error.message in found.body["error"]["message"]
    assert found.request_id == found.body["request_id"] is not None
    retry = {429: "7", 529: "1"}.get(status)
    assert found.response.headers.get("retry-after") == retry


async def test_a_prompt_over_the_context_is_said_in_the_words_that_clients_know():
    done = await post(make_node(lambda work: [ContextLengthExceeded("9 > 8", param="messages")]), body())
    assert json.loads(done.body)["error"]["message"] == "prompt is too long: 9 > 8"


async def test_a_stream_that_breaks_ends_with_an_error():
    def script(work):
        return [Accepted(work.request, 7), TextDelta(work.request, 0, "Hel"), WorkerLost("the worker is gone")]

    with pytest.raises(anthropic.APIStatusError, match="the worker is gone"):
        await events_of(make_node(script))
    done = await post(make_node(script), body(stream=True))
    last = done.body.decode().split("\n\n")[-2]
    assert last.startswith("event: error\n")
    data = json.loads(last.split("data: ")[1])
    assert data["error"] == {"type": "overloaded_error", "message": "the worker is gone"}
    assert data["request_id"] == done.headers["request-id"]
    assert data["usage"]["output_tokens"] == 3


async def test_an_answer_without_an_end_is_none():
    def script(work):
        return [TextDelta(work.request, 0, "Hel"), Finished(work.request)]

    assert (await post(make_node(script), body())).status == 500
    streamed = await post(make_node(script), body(stream=True))
    assert b"event: error" in streamed.body
    assert b"message_stop" not in streamed.body


async def test_a_body_that_is_too_large():
    with pytest.raises(anthropic.RequestTooLargeError) as caught:
        await create(make_node(max_body=50))
    assert caught.value.body["error"]["type"] == "request_too_large"
    pieces = [b"x" * 40, b"x" * 40]
    done = await post(make_node(max_body=50), pieces)
    assert (done.status, json.loads(done.body)["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (b"{", 400, "JSON"),
        ({"model": "chat", "messages": HI}, 400, "max_tokens: Field required"),
        (body(model="nope"), 404, "nope"),
        (body(model="org/whisper"), 400, "org/whisper"),
    ],
)
async def test_refusals(given, status, message):
    done = await post(make_node(), given)
    found = json.loads(done.body)
    assert (done.status, found["type"]) == (status, "error")
    assert message in found["error"]["message"]


async def test_an_unexpected_error_tells_only_its_id():
    def script(work):
        raise RuntimeError("secret")

    done = await post(make_node(script), body())
    found = json.loads(done.body)
    assert (done.status, found["error"]["type"]) == (500, "api_error")
    assert b"secret" not in done.body
    assert found["request_id"] == done.headers["request-id"] == done.headers["x-request-id"]


async def test_other_methods_and_paths():
    done = await Exchange(make_app(make_node()), PATH, method="GET").run()
    assert (done.status, json.loads(done.body)["type"]) == (405, "error")
    done = await post(make_node(), {}, "/v1/complete", anthropic_version="2023-06-01")
    assert (done.status, json.loads(done.body)["error"]["type"]) == (404, "not_found_error")


async def test_openais_clients_keep_their_errors_and_headers():
    done = await post(make_node(), {}, "/v1/chat/completions")
    assert json.loads(done.body)["error"]["param"] == "model"
    assert "request-id" not in done.headers


# ------------------------------------------------------------------ leaving, knocking, models
@WAYS
async def test_a_client_that_leaves_cancels_the_work(more):
    entered = asyncio.Event()

    def never(work):
        entered.set()
        return [asyncio.Event()]

    node = make_node(never)
    exchange = Exchange(make_app(node), PATH, body(**more))
    running = asyncio.create_task(exchange.run())
    await entered.wait()
    exchange.leave()
    await running
    assert node.dispatcher.streams[0].cancelled


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/api/hello")])
async def test_someone_is_there(method, path):
    done = await Exchange(make_app(make_node()), path, method=method).run()
    assert (done.status, done.body) == (200, b"")


async def test_models_in_anthropics_shape():
    async with client_of(make_node()) as client:
        page = await client.models.list(limit=1000)
        [model] = page.data
        assert (await client.models.retrieve("gpt-4o")).id == "chat"
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("nope")
        with pytest.raises(anthropic.BadRequestError, match="limit"):
            await client.models.list(limit=0)
    assert (model.id, model.type, model.display_name, model.max_input_tokens) == ("chat", "model", "chat", 4096)
    assert model.created_at.isoformat() == "2023-11-14T22:13:20+00:00"
    assert (page.has_more, page.first_id, page.last_id) == (False, "chat", "chat")


async def test_the_reference_describes_the_bodies():
    done = await Exchange(make_app(make_node()), "/openapi.json", method="GET").run()
    routes = json.loads(done.body)["paths"]
    content = routes[PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(content["required"]) == {"model", "messages", "max_tokens"}
    assert "$defs" not in json.dumps(content)
    assert f"{PATH}/count_tokens" in routes


# ------------------------------------------------------------------ what the worker names
@WAYS
async def test_a_refused_image_is_named_by_where_the_client_put_it(more):
    """On the wire the system prompt is a message, and a tool's result is one of its own."""

    def refuses(work):
        at = next(index for index, one in enumerate(work.prompt.messages) if one.role == "tool")
        where = f"messages[{at}].content[1]"
        return [ContextLengthExceeded(f"the image at {where} is too large", param=where)]

    node = make_node(refuses)
    seeing = replace(node.registry["chat"], kind="vlm", capabilities=("image",))
    node = replace(node, registry=Registry([seeing]))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "see"}, image]}
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    messages = [*HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    done = await post(node, body(system="s", messages=messages, **more))
    assert done.status == 400
    assert "messages.2.content.0.content.1" in json.loads(done.body)["error"]["message"]


async def test_a_grammar_that_cannot_be_compiled_is_named_by_the_clients_format():
    node = make_node(lambda work: [InvalidRequest("no", param="response_format.json_schema.schema")])
    shape = {"type": "json_schema", "schema": {"type": "object"}}
    done = await post(node, body(output_config={"format": shape}))
    assert json.loads(done.body)["error"]["message"] == "output_config.format.schema: no"
