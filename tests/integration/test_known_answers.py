"""The demo's known answers come back word for word, alone and in company."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.integration.node import Node


def _body(exchange: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "demo-chat", "messages": exchange["messages"]}
    if exchange.get("tools"):
        body["tools"] = exchange["tools"]
    body["extra_body"] = {"chat_template_kwargs": {"enable_thinking": exchange["thinking"]}}
    return body


def _said(message: Any) -> tuple[str | None, str | None, list[tuple[str, str]]]:
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or []]
    return getattr(message, "reasoning", None), message.content, calls


async def _ask_all(node: Node, exchanges: list[dict[str, Any]], at_once: int) -> list[Any]:
    async with AsyncOpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0) as client:
        gate = asyncio.Semaphore(at_once)

        async def ask(exchange: dict[str, Any]) -> Any:
            async with gate:
                answer = await client.chat.completions.create(**_body(exchange))
            return _said(answer.choices[0].message)

        return await asyncio.gather(*(ask(exchange) for exchange in exchanges))


async def test_every_answer_is_as_taught_under_sixteen_concurrent_chats(
    node: Node, exchanges: list[dict[str, Any]]
) -> None:
    said = await _ask_all(node, exchanges, at_once=16)
    for exchange, (reasoning, content, calls) in zip(exchanges, said, strict=True):
        question = exchange["messages"][-1]["content"]
        assert (content or "") == (exchange.get("answer") or ""), question
        assert reasoning == exchange.get("reasoning"), question
        wanted = [(call["name"], call["arguments"]) for call in exchange.get("tool_calls") or []]
        assert [name for name, _ in calls] == [name for name, _ in wanted], question


async def test_sixteen_concurrent_chats_equal_the_same_one_by_one(node: Node, exchanges: list[dict[str, Any]]) -> None:
    some = exchanges[::7][:16]
    assert len(some) == 16
    assert await _ask_all(node, some, at_once=16) == await _ask_all(node, some, at_once=1)


@pytest.mark.parametrize("thinking", [True, False])
def test_streams_carry_the_same_text_as_whole_answers(
    client: OpenAI, exchanges: list[dict[str, Any]], thinking: bool
) -> None:
    some = [exchange for exchange in exchanges if exchange["thinking"] is thinking and not exchange.get("tools")][-8:]
    for exchange in some:
        chunks = client.chat.completions.create(**_body(exchange), stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == exchange["answer"]
