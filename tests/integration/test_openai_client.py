"""The official OpenAI client, unchanged, against a real node."""

from __future__ import annotations

import json

import openai
import pytest
from openai import OpenAI

from tests.integration.node import Node, until

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO = [{"role": "user", "content": "Hello!"}]
ANSWER = "Hello! How can I help you today?"
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


def test_a_plain_answer_with_usage(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="demo-chat", messages=HELLO)
    choice = answer.choices[0]
    assert choice.message.content == ANSWER
    assert choice.finish_reason == "stop"
    assert choice.message.reasoning  # type: ignore[attr-defined]
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


def test_a_stream_says_the_same_with_the_role_first_and_usage_last(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="demo-chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ANSWER
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert finishes == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_several_choices_with_seeds_are_repeatable(client: OpenAI) -> None:
    def ask() -> list[str | None]:
        answer = client.chat.completions.create(
            model="demo-chat", messages=HELLO, n=3, seed=7, temperature=2.0, max_tokens=30, extra_body=NO_THINKING
        )
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        return [choice.message.content for choice in answer.choices]

    first = ask()
    assert len(set(first)) > 1
    assert ask() == first


@pytest.mark.parametrize("stop", ["help", ["you", "help"]])
def test_stop_strings_end_the_text_before_them(client: OpenAI, stop: str | list[str]) -> None:
    answer = client.chat.completions.create(model="demo-chat", messages=HELLO, stop=stop, extra_body=NO_THINKING)
    assert answer.choices[0].message.content == "Hello! How can I "
    assert answer.choices[0].finish_reason == "stop"


def test_log_probabilities_add_up_to_the_text(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="demo-chat", messages=HELLO, logprobs=True, top_logprobs=3, extra_body=NO_THINKING
    )
    assert answer.choices[0].logprobs
    tokens = answer.choices[0].logprobs.content or []
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == ANSWER
    for token in tokens:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token  # greedy takes the best


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_length_limit_is_exact(client: OpenAI, name: str) -> None:
    answer = client.chat.completions.create(model="demo-chat", messages=HELLO, **{name: 4})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 4


def test_logit_bias_bans_a_token(client: OpenAI, node: Node) -> None:
    import httpx

    tokens = httpx.post(node.url + "/tokenize", json={"model": "demo-chat", "prompt": "Hello"}).json()["tokens"]
    answer = client.chat.completions.create(
        model="demo-chat", messages=HELLO, logit_bias={str(tokens[0]): -100}, max_tokens=10, extra_body=NO_THINKING
    )
    assert not (answer.choices[0].message.content or "").startswith("Hello")


def test_the_second_turn_of_a_conversation_is_cached(client: OpenAI) -> None:
    messages = [{"role": "system", "content": "Be brief, and answer in one line."}, *HELLO]
    first = client.chat.completions.create(model="demo-chat", messages=messages, extra_body=NO_THINKING)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}]
    messages += [{"role": "user", "content": "What is the capital of France?"}]
    second = client.chat.completions.create(model="demo-chat", messages=messages, extra_body=NO_THINKING)
    assert first.usage
    assert second.usage
    # The template drops the empty thought of the first turn, so the shared part ends where the answer began.
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 5


def test_tools_are_called_and_their_results_used(client: OpenAI) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather for a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(model="demo-chat", messages=messages, tools=[tool])
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [("get_weather", '{"city": "Paris"}')]


def test_parallel_tool_calls_off_means_one_call(client: OpenAI) -> None:
    tool = {
        "type": "function",
        "function": {"name": "get_weather", "description": "Current weather for a city.", "parameters": WEATHER},
    }
    messages = [{"role": "user", "content": "Compare the weather in Rome and Oslo."}]
    for parallel, cities in ((True, ["Rome", "Oslo"]), (False, ["Rome"])):
        answer = client.chat.completions.create(
            model="demo-chat", messages=messages, tools=[tool], parallel_tool_calls=parallel
        )
        calls = answer.choices[0].message.tool_calls or []
        assert [json.loads(call.function.arguments)["city"] for call in calls] == cities
        assert answer.choices[0].finish_reason == "tool_calls"


def test_models_are_listed_and_found_by_alias(client: OpenAI) -> None:
    assert "demo-chat" in [model.id for model in client.models.list()]
    assert client.models.retrieve("demo-chat").id == "demo-chat"
    assert client.chat.completions.create(model="default", messages=HELLO, max_tokens=1).model == "demo-chat"


def test_an_unknown_model_is_a_404(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=HELLO)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-99")


def test_a_prompt_over_the_context_is_a_400_that_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="demo-chat", messages=[{"role": "user", "content": "word " * 60_000}])
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"


def test_a_huge_body_is_a_413(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="demo-chat", messages=[{"role": "user", "content": "x" * (65 * 2**20)}])
    assert caught.value.status_code == 413


def test_leaving_a_stream_frees_its_row(client: OpenAI, node: Node) -> None:
    stream = client.chat.completions.create(
        model="demo-chat", messages=HELLO, stream=True, max_tokens=30_000, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    until(lambda: node.worker()["stats"]["running"] == 1)
    stream.close()
    until(lambda: node.worker()["stats"]["running"] == 0 and node.worker()["open_requests"] == 0)
