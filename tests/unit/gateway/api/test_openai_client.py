"""The official client, unchanged and strict, over an ASGI transport."""

from __future__ import annotations

import httpx
import openai
import pytest

from shared.errors import ContextLengthExceeded, InternalError, ModelUnavailable, Overloaded, WorkerLost
from shared.messages import ChoiceFinished, Finished, TextDelta, TokenLogprob, ToolCallDelta
from tests.fakes.dispatcher import make_app, make_node, says

HI = [{"role": "user", "content": "hi"}]


def client_of(node):
    transport = httpx.ASGITransport(app=make_app(node))
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://test/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
        _strict_response_validation=True,
    )


async def create(node, **more):
    async with client_of(node) as client:
        return await client.chat.completions.create(model="chat", messages=HI, **more)


async def streamed(node, **more):
    async with client_of(node) as client:
        stream = await client.chat.completions.create(model="chat", messages=HI, stream=True, **more)
        return [chunk async for chunk in stream]


async def test_an_answer():
    node = make_node()
    answer = await create(node, temperature=0.5, stop="END", seed=3, extra_body={"top_k": 5})
    assert answer.choices[0].message.content == "Hello!"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.total_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (10, 4)
    sampling = node.dispatcher.work.sampling
    assert (sampling.temperature, sampling.stop, sampling.seed, sampling.top_k) == (0.5, ("END",), 3, 5)


async def test_several_choices_with_logprobs():
    def script(work):
        token = TokenLogprob(5, "a", b"a", -0.25)
        deltas = [TextDelta(work.request, choice, "a", (token,)) for choice in range(2)]
        return [*deltas, *(ChoiceFinished(work.request, choice, "length") for choice in range(2))]

    answer = await create(make_node(script), n=2, logprobs=True, top_logprobs=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].logprobs.content[0].logprob == -0.25
    assert answer.choices[1].finish_reason == "length"


async def test_a_tool_call():
    def script(work):
        return [
            ToolCallDelta(work.request, 0, 0, "call_1", "weather", '{"place": "Bern"}'),
            ChoiceFinished(work.request, 0, "tool_calls"),
            Finished(work.request),
        ]

    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    answer = await create(make_node(script), tools=tools)
    [call] = answer.choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"place": "Bern"}')
    chunks = await streamed(make_node(script), tools=tools)
    assert chunks[1].choices[0].delta.tool_calls[0].function.name == "weather"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_a_stream():
    chunks = await streamed(make_node(says("Hel", "lo")), stream_options={"include_usage": True})
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Hello"
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * 4
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 10)


async def test_a_stream_that_breaks_raises():
    node = make_node(lambda work: [TextDelta(work.request, 0, "Hel"), WorkerLost("the worker is gone")])
    with pytest.raises(openai.APIError, match="the worker is gone") as caught:
        await streamed(node)
    assert caught.value.code == "worker_lost"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ContextLengthExceeded("long", param="messages"), openai.BadRequestError),
        (Overloaded("full", retry_after=1), openai.RateLimitError),
        (InternalError("oh"), openai.InternalServerError),
        (ModelUnavailable("down"), openai.InternalServerError),
    ],
)
async def test_the_clients_errors(stream, error, raised):
    with pytest.raises(raised) as caught:
        await create(make_node(lambda work: [error]), stream=stream)
    assert (caught.value.status_code, caught.value.code, caught.value.param) == (error.status, error.code, error.param)


async def test_a_body_that_is_too_large():
    with pytest.raises(openai.APIStatusError) as caught:
        await create(make_node(max_body=50))
    assert (caught.value.status_code, caught.value.code) == (413, "payload_too_large")


async def test_models():
    async with client_of(make_node()) as client:
        assert [model.id async for model in client.models.list()] == ["chat", "org/whisper"]
        assert (await client.models.retrieve("org/whisper")).id == "org/whisper"
        assert (await client.models.retrieve("gpt-4o")).id == "chat"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"
