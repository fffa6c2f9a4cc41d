"""The official Anthropic client, unchanged, and requests of Claude Code's kind, against a real node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import jsonschema
import pytest
from anthropic import Anthropic

from tests.integration.node import PATIENCE, Node

ANSWER = "Hello! How can I help you today?"
HELLO: dict[str, Any] = {
    "model": "demo-chat",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "Hello!"}],
}
THINK: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
GET_WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Current weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Name of the city"}},
        "required": ["city"],
    },
}


@pytest.fixture(scope="session")
def claude(node: Node) -> Iterator[Anthropic]:
    with Anthropic(base_url=node.url, api_key="none", max_retries=0, _strict_response_validation=True) as found:
        yield found


def total(usage: Any) -> int:
    return int(usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens)


def test_a_plain_answer(claude: Anthropic) -> None:
    answer = claude.messages.create(**HELLO)
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == ANSWER  # type: ignore[union-attr]
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.usage.output_tokens > 0


def test_a_thought_comes_before_the_answer(claude: Anthropic) -> None:
    answer = claude.messages.create(**HELLO, **THINK)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking.strip() == "The user greets me, so I greet back."  # type: ignore[union-attr]
    assert answer.content[1].text.strip() == ANSWER  # type: ignore[union-attr]
    assert answer.usage.output_tokens_details
    assert answer.usage.output_tokens_details.thinking_tokens > 0


def test_a_stream_in_its_exact_order(claude: Anthropic) -> None:
    events = list(claude.messages.create(**HELLO, **THINK, stream=True))
    told = [(event.type, getattr(event, "index", None)) for event in events]
    kinds = list(dict.fromkeys(told))
    assert kinds == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert told == sorted(told, key=kinds.index)
    text = "".join(getattr(event.delta, "text", "") for event in events if event.type == "content_block_delta")
    assert text.strip() == ANSWER
    whole = claude.messages.create(**HELLO, **THINK)
    assert total(events[0].message.usage) == total(whole.usage)  # type: ignore[union-attr]
    assert events[-2].usage.output_tokens == whole.usage.output_tokens  # type: ignore[union-attr]


@pytest.mark.parametrize("thinking", [{}, THINK], ids=["plain", "thinking"])
@pytest.mark.parametrize("tools", [{}, {"tools": [GET_WEATHER]}], ids=["no-tools", "tools"])
def test_counted_tokens_are_those_of_the_usage(claude: Anthropic, thinking: Any, tools: Any) -> None:
    more = {"system": "Be brief.", **thinking, **tools}
    count = claude.messages.count_tokens(model="demo-chat", messages=HELLO["messages"], **more)
    assert count.input_tokens == total(claude.messages.create(**HELLO, **more).usage)


def test_what_is_cached_is_told(claude: Anthropic) -> None:
    more = {"system": "You know everything about caches, and say so in few words."}
    first = claude.messages.create(**HELLO, **more).usage
    second = claude.messages.create(**HELLO, **more).usage
    assert total(first) == total(second)
    assert second.cache_read_input_tokens
    assert second.input_tokens < first.input_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_used(claude: Anthropic, stream: bool) -> None:
    def ask(messages: list[Any]) -> anthropic.types.Message:
        given: dict[str, Any] = {**HELLO, **THINK, "messages": messages, "tools": [GET_WEATHER]}
        if not stream:
            return claude.messages.create(**given)
        with claude.messages.stream(**given) as events:
            return events.get_final_message()

    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked = ask(messages)
    assert asked.stop_reason == "tool_use"
    thought, call = asked.content
    assert (thought.type, call.type) == ("thinking", "tool_use")
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})  # type: ignore[union-attr]
    result = {
        "type": "tool_result",
        "tool_use_id": call.id,  # type: ignore[union-attr]
        "content": [{"type": "text", "text": '{"temperature": 18, "sky": "sunny"}'}],
    }
    messages += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
    answer = ask(messages)
    assert answer.stop_reason == "end_turn"
    assert "18" in answer.content[-1].text  # type: ignore[union-attr]


def test_two_calls_are_two_blocks(claude: Anthropic) -> None:
    question = [{"role": "user", "content": "Compare the weather in Rome and Oslo."}]
    answer = claude.messages.create(**{**HELLO, "messages": question, "tools": [GET_WEATHER]})
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert len({call.id for call in calls}) == 2


def test_stop_sequences_are_named(claude: Anthropic) -> None:
    answer = claude.messages.create(**HELLO, stop_sequences=["nothing", "help"])
    assert answer.content[0].text == "Hello! How can I "  # type: ignore[union-attr]
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "help")


def test_a_limit_is_exact(claude: Anthropic) -> None:
    answer = claude.messages.create(**{**HELLO, "max_tokens": 4})
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 4)


def test_an_answer_that_has_begun_is_continued(claude: Anthropic) -> None:
    begun = [*HELLO["messages"], {"role": "assistant", "content": "Hello! How can I"}]
    answer = claude.messages.create(**{**HELLO, "messages": begun})
    assert answer.content[0].text == " help you today?"  # type: ignore[union-attr]


def test_errors(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        claude.messages.create(**{**HELLO, "model": "nope"})
    assert unknown.value.request_id == unknown.value.body["request_id"]  # type: ignore[index, call-overload]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: "):
        claude.messages.create(**{**HELLO, "max_tokens": 0})
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        claude.messages.create(**{**HELLO, "messages": [{"role": "user", "content": "word and word " * 20_000}]})
    assert claude.messages.create(**HELLO).content


def test_models(claude: Anthropic) -> None:
    models = claude.models.list(limit=1000).data
    assert "demo-chat" in [model.id for model in models]
    assert claude.models.retrieve("demo-chat").max_input_tokens == 32768


# ------------------------------------------------------------------ what has to be
GET_TIME: dict[str, Any] = {
    "name": "get_time",
    "input_schema": {
        "type": "object",
        "properties": {"zone": {"enum": ["UTC", "CET"]}},
        "required": ["zone"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_time"}])
def test_a_call_that_has_to_be_made(claude: Anthropic, choice: Any, stream: bool) -> None:
    city = {"type": "string", "maxLength": 30}  # whatever a model writes that has nothing to call a tool for
    weather = GET_WEATHER | {"input_schema": GET_WEATHER["input_schema"] | {"properties": {"city": city}}}
    given = {**HELLO, "tools": [weather, GET_TIME], "tool_choice": {**choice, "disable_parallel_tool_use": True}}
    if stream:
        with claude.messages.stream(**given) as events:
            answer = events.get_final_message()
    else:
        answer = claude.messages.create(**given)
    assert answer.stop_reason == "tool_use"
    [call] = answer.content
    assert call.type == "tool_use"
    if choice["type"] == "tool":
        assert call.name == "get_time"
    schema = {"get_weather": weather, "get_time": GET_TIME}[call.name]["input_schema"]
    jsonschema.validate(call.input, schema)


def test_a_named_tool_with_an_open_schema_is_called_once_and_ends(claude: Anthropic) -> None:
    schema: Any = {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "ok": {"type": "boolean"}}}
    schema["required"] = ["kind", "ok"]
    tool: Any = {"name": "classify", "input_schema": schema}
    greedy = {"temperature": 0}
    for choice in ({"type": "tool", "name": "classify"}, {"type": "any"}):
        answer = claude.messages.create(
            **{**HELLO, "max_tokens": 200}, tools=[tool], tool_choice=choice, extra_body=greedy
        )
        assert answer.stop_reason == "tool_use"
        inputs = [block.input for block in answer.content if block.type == "tool_use"]
        assert len(inputs) == 1 or choice["type"] == "any"
        for given in inputs:
            jsonschema.validate(given, {**schema, "additionalProperties": False})


def test_an_answer_in_a_format_after_a_thought(claude: Anthropic) -> None:
    schema = GET_TIME["input_schema"]
    answer = claude.messages.create(
        **HELLO, **THINK, output_config={"format": {"type": "json_schema", "schema": schema}}
    )
    thought, text = answer.content
    assert thought.type == "thinking"
    jsonschema.validate(json.loads(text.text), schema)  # type: ignore[union-attr]


def test_a_thought_is_closed_in_time(claude: Anthropic) -> None:
    answer = claude.messages.create(**HELLO, thinking={"type": "enabled", "budget_tokens": 3})
    assert "The user".startswith(answer.content[0].thinking.strip())  # type: ignore[union-attr]
    assert answer.content[1].text.strip() == ANSWER  # type: ignore[union-attr]


def test_a_budget_over_the_limit_is_for_thoughts_between_calls(claude: Anthropic) -> None:
    asked = {**HELLO, "max_tokens": 50, "tools": [GET_TIME], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with pytest.raises(anthropic.BadRequestError, match="budget_tokens"):
        claude.messages.create(**asked)
    headers = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
    assert claude.messages.create(**asked, extra_headers=headers).content


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_breakpoint_adds_to_the_cache_and_what_the_next_request_reads(claude: Anthropic, stream: bool) -> None:
    words = f"You are kind{' and patient' * 40}, {'streamed' if stream else 'whole'}."
    system = [{"type": "text", "text": words, "cache_control": {"type": "ephemeral"}}]

    def ask(question: str) -> Any:
        given: dict[str, Any] = {**HELLO, "system": system, "messages": [{"role": "user", "content": question}]}
        if not stream:
            return claude.messages.create(**given).usage
        with claude.messages.stream(**given) as events:
            return events.get_final_message().usage

    first, second = ask("Hello!"), ask("What is the capital of France?")
    assert first.cache_creation_input_tokens > first.input_tokens > 0
    assert second.cache_read_input_tokens >= first.cache_creation_input_tokens - 16
    assert second.cache_creation_input_tokens <= 16
    assert second.input_tokens > 0
    plain = claude.messages.create(**HELLO, system=words).usage
    assert plain.cache_creation_input_tokens == 0


def test_a_document_is_read(claude: Anthropic) -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello!"}}
    blocks = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Hello!"}]}}
    for one in (document, blocks):
        answer = claude.messages.create(**{**HELLO, "messages": [{"role": "user", "content": [one]}]})
        assert answer.content[0].text == ANSWER  # type: ignore[union-attr]


# ------------------------------------------------------------------ Claude Code
def claude_code(hash_: str, tools: int = 20, rules: int = 2200, **more: Any) -> dict[str, Any]:
    """What it sends for a plain `hi`: 120 KB, unless there are fewer tools and rules."""
    cached = {"cache_control": {"type": "ephemeral"}}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "description": "Where the file is. " * 12},
            "mode": {"anyOf": [{"const": "r"}, {"const": "w"}], "default": "r", "title": "Mode"},
            "lines": {"type": "array", "minItems": 1, "items": {"type": "integer", "exclusiveMinimum": 0}},
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    kit: list[dict[str, Any]] = [
        {"name": f"Tool{number}", "description": "Reads or writes one file. " * 8, "input_schema": schema}
        for number in range(tools)
    ]
    kit[-1]["defer_loading"] = True
    kit.append({"type": "web_search_20250305", "name": "web_search", "max_uses": 8})
    return {
        "model": "demo-chat",
        "max_tokens": 32000,
        "stream": True,
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.0; cch={hash_};"},
            {"type": "text", "text": "You are a coding agent.", **cached},
            {"type": "text", "text": "Read the file before you change it, and be brief. " * rules, **cached},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>Be kind.</system-reminder>"}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello!", **cached}]},
            {"role": "system", "content": "Answer now.", "output_config": {"effort": "low"}},
        ],
        "tools": kit,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": "user_1"},
        "safeguards": {},
        **more,
    }


def send(node: Node, body: dict[str, Any]) -> list[dict[str, Any]]:
    headers = {
        "authorization": "Bearer none",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
    }
    answer = httpx.post(node.url + "/v1/messages?beta=true", json=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


def test_claude_code_is_answered_and_its_noise_does_not_break_the_cache(node: Node) -> None:
    assert httpx.head(node.url + "/api/hello").status_code == 200
    small = {"tools": 5, "rules": 80, "max_tokens": 8}  # of a size that a CPU reads in seconds
    first = send(node, claude_code("1a2b3", **small))
    assert [first[0]["type"], first[-1]["type"]] == ["message_start", "message_stop"]
    second = send(node, claude_code("9f8e7", **small))
    before, after = (events[0]["message"]["usage"] for events in (first, second))
    assert before["cache_creation_input_tokens"] > 1000
    read = sum(before[key] for key in before if key.endswith("input_tokens"))
    assert after["cache_read_input_tokens"] >= read - 64


def test_a_request_of_claude_codes_size_is_counted_and_refused_in_words_that_it_knows(node: Node) -> None:
    def count(hash_: str) -> int:
        body = claude_code(hash_)
        assert len(json.dumps(body)) > 100_000
        asked = {key: body[key] for key in ("model", "messages", "system", "tools", "thinking")}
        answer = httpx.post(node.url + "/v1/messages/count_tokens?beta=true", json=asked, timeout=PATIENCE)
        return int(answer.json()["input_tokens"])

    assert count("1a2b3") == count("9f8e7") > 32768
    refused = httpx.post(node.url + "/v1/messages?beta=true", json=claude_code("1a2b3"), timeout=PATIENCE)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("prompt is too long: ")
