from __future__ import annotations

import pytest

from gateway.dialects.openai.schema import ChatRequest
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest

BASE = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def said(message):
    return {"messages": [{"role": "user", "content": "hi"}, message]}


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"temperature": "hot"}, "temperature", "expected a number, but got a string"),
        ({"temperature": True}, "temperature", "expected a number, but got a boolean"),
        ({"temperature": 2.1}, "temperature", "at most 2"),
        ({"temperature": -1}, "temperature", "at least 0"),
        ({"temperature": float("inf")}, "temperature", "finite"),
        ({"top_p": 1.1}, "top_p", "at most 1"),
        ({"top_k": -2}, "top_k", "at least -1"),
        ({"min_p": 2}, "min_p", "at most 1"),
        ({"presence_penalty": 3}, "presence_penalty", "at most 2"),
        ({"frequency_penalty": -3}, "frequency_penalty", "at least -2"),
        ({"repetition_penalty": 0}, "repetition_penalty", "more than 0"),
        ({"seed": 2**63}, "seed", "at most"),
        ({"seed": 1.5}, "seed", "an integer"),
        ({"n": 0}, "n", "at least 1"),
        ({"n": 33}, "n", "at most 32"),
        ({"max_tokens": 0}, "max_tokens", "at least 1"),
        ({"max_completion_tokens": 10**30}, "max_completion_tokens", "at most"),
        ({"min_tokens": -1}, "min_tokens", "at least 0"),
        ({"stop": 5}, "stop", "a string or a list of strings"),
        ({"stop": ["a", 5]}, "stop[1]", "expected a string"),
        ({"stop": ""}, "stop", "must not be empty"),
        ({"stop": ["a"] * 65}, "stop", "at most 64"),
        ({"stop_token_ids": [-1]}, "stop_token_ids[0]", "at least 0"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5", "at most 100"),
        ({"logit_bias": []}, "logit_bias", "an object"),
        ({"allowed_token_ids": []}, "allowed_token_ids", "must not be empty"),
        ({"logprobs": 3}, "logprobs", "a boolean"),
        ({"top_logprobs": 21}, "top_logprobs", "at most 20"),
        ({"stream": "yes"}, "stream", "a boolean"),
        ({"stream_options": True}, "stream_options", "an object"),
        ({"response_format": "text"}, "response_format", "an object"),
        ({"tool_choice": 5}, "tool_choice", "a string or an object"),
        ({"tools": {}}, "tools", "a list"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "Missing"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "'none'"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs", "an object"),
        ({"model": None}, "model", "got null"),
        ({"model": ""}, "model", "must not be empty"),
        ({"messages": []}, "messages", "must not be empty"),
        ({"messages": "hi"}, "messages", "a list"),
        ({"messages": ["hi"]}, "messages[0]", "an object"),
        (said({"role": "robot", "content": "x"}), "messages[1].role", "'robot'. Supported values are: 'system'"),
        (said({"role": ["user"], "content": "x"}), "messages[1].role", "a list"),
        (said({"content": "x"}), "messages[1].role", "Missing"),
        (said({"role": "user"}), "messages[1].content", "Missing"),
        (said({"role": "user", "content": None}), "messages[1].content", "a list of content parts"),
        (said({"role": "user", "content": ["x"]}), "messages[1].content[0]", "an object"),
        (said({"role": "user", "content": [{"type": "poem"}]}), "messages[1].content[0].type", "'poem'"),
        (said({"role": "user", "content": [{"type": "text"}]}), "messages[1].content[0].text", "Missing"),
        (said({"role": "user", "content": [{"type": "text", "text": 5}]}), "messages[1].content[0].text", "a string"),
        (said({"role": "tool", "content": "x"}), "messages[1].tool_call_id", "Missing"),
    ],
)
def test_mistakes_are_named_with_their_path(change, param, words):
    with pytest.raises(InvalidRequest) as caught:
        validate(ChatRequest, BASE | change)
    assert caught.value.param == param
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_missing_parameter(name):
    with pytest.raises(InvalidRequest, match=f"Missing required parameter: '{name}'") as caught:
        validate(ChatRequest, {key: value for key, value in BASE.items() if key != name})
    assert caught.value.param == name


def test_a_long_value_is_cut():
    with pytest.raises(InvalidRequest) as caught:
        validate(ChatRequest, BASE | {"reasoning_effort": "x" * 10_000})
    assert len(caught.value.message) < 300


def test_unknown_fields_are_tolerated_everywhere():
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {}}], "weight": 1}]
    request = validate(ChatRequest, BASE | {"messages": messages, "novelty": {"deep": [1]}})
    assert request.model_extra == {"novelty": {"deep": [1]}}
