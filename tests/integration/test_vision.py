"""Pictures and video in chats, by the official OpenAI client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.integration.media import DATA, fill, image_part, video_part
from tests.integration.node import Node

TAUGHT: list[dict[str, Any]] = json.loads((DATA / "demo_vision.json").read_text())
WHAT = {"type": "text", "text": "What is in the picture?"}


def _messages(exchange: dict[str, Any]) -> list[dict[str, Any]]:
    return fill(exchange["messages"], exchange["images"], exchange["video"])


@pytest.mark.parametrize("exchange", TAUGHT, ids=[f"{at}" for at in range(len(TAUGHT))])
def test_pictures_videos_and_texts_are_answered_as_taught(full_client: OpenAI, exchange: dict[str, Any]) -> None:
    answer = full_client.chat.completions.create(model="demo-vision", messages=_messages(exchange))
    assert answer.choices[0].message.content == exchange["answer"]
    assert answer.choices[0].finish_reason == "stop"


def test_a_stream_says_the_same(full_client: OpenAI) -> None:
    chunks = list(
        full_client.chat.completions.create(
            model="demo-vision",
            messages=[{"role": "user", "content": [image_part("red_circle.png"), WHAT]}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "A red circle."
    assert chunks[-1].usage
    assert chunks[-1].usage.prompt_tokens > 16


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_agents_that_always_send_tools_are_served(full_client: OpenAI, choice: Any) -> None:
    """Its template knows no tools: they are told in words, a past call and its picture too; a forced call is made."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": "th'}}
    answer = full_client.chat.completions.create(
        model="demo-vision",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look!"},
            {"role": "assistant", "content": None, "tool_calls": [call]},  # type: ignore[list-item]
            {"role": "tool", "tool_call_id": "c", "content": [image_part("red_circle.png")]},  # type: ignore[list-item]
            {"role": "user", "content": "What is in the picture?"},
        ],
        tools=[{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
        tool_choice=choice,
        max_tokens=64,
    )
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["look"] * (choice == "required")


def test_usage_counts_the_tokens_of_pictures(full_client: OpenAI) -> None:
    def tokens(*parts: dict[str, Any]) -> int:
        answer = full_client.chat.completions.create(
            model="demo-vision", messages=[{"role": "user", "content": [*parts, WHAT]}], max_tokens=1
        )
        assert answer.usage
        return answer.usage.prompt_tokens

    none, one = tokens(), tokens(image_part("red_circle.png"))
    two = tokens(image_part("red_circle.png"), image_part("red_circle.png"))
    assert one - none >= 9  # a square of 3 x 3, at the least
    assert two - one == one - none


def test_more_frames_of_a_video_are_more_tokens(full_client: OpenAI) -> None:
    def tokens(most: int) -> int:
        part = video_part("red_to_blue.mp4") | {"max_frames": most, "fps": 10}
        answer = full_client.chat.completions.create(
            model="demo-vision", messages=[{"role": "user", "content": [part, WHAT]}], max_tokens=1
        )
        assert answer.usage
        return answer.usage.prompt_tokens

    assert tokens(2) < tokens(8)


def test_a_text_turn_after_a_picture_finds_both_in_the_cache(full_client: OpenAI) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": [image_part("red_circle.png"), WHAT]}]
    first = full_client.chat.completions.create(model="demo-vision", messages=messages)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}]
    messages += [{"role": "user", "content": "What color is it?"}]
    second = full_client.chat.completions.create(model="demo-vision", messages=messages)
    assert second.choices[0].message.content == "It is red."
    assert first.usage
    assert second.usage
    assert first.usage.prompt_tokens_details
    assert second.usage.prompt_tokens_details
    cached = second.usage.prompt_tokens_details.cached_tokens or 0
    assert cached >= first.usage.prompt_tokens - 5
    assert cached > (first.usage.prompt_tokens_details.cached_tokens or 0)


def test_another_picture_is_not_taken_from_the_cache(full_client: OpenAI) -> None:
    for name, said in (("red_circle.png", "A red circle."), ("purple_circle.png", "A purple circle.")):
        answer = full_client.chat.completions.create(
            model="demo-vision", messages=[{"role": "user", "content": [image_part(name), WHAT]}]
        )
        assert answer.choices[0].message.content == said


async def test_pictures_and_texts_at_once_are_answered_as_one_by_one_whatever_the_others_sample(
    full_node: Node,
) -> None:
    async with AsyncOpenAI(base_url=full_node.url + "/v1", api_key="none", max_retries=0) as client:

        async def ask(exchange: dict[str, Any], **sampling: Any) -> str | None:
            answer = await client.chat.completions.create(model="demo-vision", messages=_messages(exchange), **sampling)
            return answer.choices[0].message.content

        hot = [ask(exchange, temperature=2.0, seed=7, max_tokens=30) for exchange in TAUGHT[::4]]
        said = await asyncio.gather(*(ask(exchange) for exchange in TAUGHT), *hot)
        assert said[: len(TAUGHT)] == [exchange["answer"] for exchange in TAUGHT]
        alone = [await ask(exchange, temperature=2.0, seed=7, max_tokens=30) for exchange in TAUGHT[::4]]
        assert said[len(TAUGHT) :] == alone
