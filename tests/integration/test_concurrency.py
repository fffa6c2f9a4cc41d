"""Everything at once: no request changes another one's answer, and a long one of one kind holds nobody else up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from tests.integration.media import AUDIO, DATA, image_part
from tests.integration.node import PATIENCE, Node

PHRASES: list[dict[str, Any]] = json.loads((DATA / "demo_whisper.json").read_text())
LONG = "It is not the end yet. " * 300
HELLO = [{"role": "user", "content": "Hello!"}]

pytestmark = pytest.mark.usefixtures("workers_live_on")


@pytest.fixture
async def client(full_node: Node) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=full_node.url + "/v1", api_key="none", max_retries=0) as found:
        yield found


async def _chat(client: AsyncOpenAI) -> str | None:
    answer = await client.chat.completions.create(model="demo-chat", messages=HELLO)
    return answer.choices[0].message.content


async def _see(client: AsyncOpenAI, *names: str) -> str | None:
    content = [*map(image_part, names), {"type": "text", "text": "What is in the picture?"}]
    answer = await client.chat.completions.create(
        model="demo-vision", messages=[{"role": "user", "content": content}], max_tokens=20
    )
    return answer.choices[0].message.content


async def _hear(client: AsyncOpenAI, phrase: dict[str, Any]) -> str:
    answer = await client.audio.transcriptions.create(model="demo-whisper", file=AUDIO / phrase["file"])
    return answer.text


async def _speak(client: AsyncOpenAI, text: str = "Hi.", voice: str = "af_heart") -> bytes:
    answer = await client.audio.speech.create(
        model="demo-kokoro", input=text, voice=voice, response_format="pcm", speed=4
    )
    return answer.content


async def _embed(client: AsyncOpenAI, text: str) -> list[float]:
    return (await client.embeddings.create(model="demo-embed", input=text)).data[0].embedding


async def test_eight_transcriptions_at_once_say_what_each_says_alone(client: AsyncOpenAI) -> None:
    eight = [*PHRASES, *PHRASES][:8]
    assert await asyncio.gather(*(_hear(client, phrase) for phrase in eight)) == [phrase["text"] for phrase in eight]


async def test_speech_sounds_the_same_in_company(client: AsyncOpenAI) -> None:
    alone = [await _speak(client), await _speak(client, voice="am_adam")]
    together = await asyncio.gather(_speak(client), _speak(client, voice="am_adam"), _speak(client, "Ho!"))
    assert together[:2] == alone


async def test_five_kinds_at_once_answer_as_they_do_alone(client: AsyncOpenAI) -> None:
    alone = await _embed(client, "rain"), await _speak(client)
    chat, seen, heard, vector, spoken = await asyncio.gather(
        _chat(client), _see(client, "red_circle.png"), _hear(client, PHRASES[1]), _embed(client, "rain"), _speak(client)
    )
    assert chat == "Hello! How can I help you today?"
    assert seen == "A red circle."
    assert heard == PHRASES[1]["text"]
    assert vector == pytest.approx(alone[0], abs=1e-4)
    assert spoken == alone[1]


async def test_everybody_answers_while_a_long_speech_and_a_large_prefill_run(
    full_node: Node, client: AsyncOpenAI
) -> None:
    body = {"model": "demo-kokoro", "input": LONG, "voice": "af_heart", "response_format": "pcm", "speed": 4}
    async with (
        httpx.AsyncClient(base_url=full_node.url, timeout=PATIENCE) as http,
        http.stream("POST", "/v1/audio/speech", json=body) as speech,
    ):
        sound = speech.aiter_bytes()
        assert await anext(sound)
        large = asyncio.create_task(_see(client, *["red_circle.png", "blue_square.jpg"] * 32))
        assert (await http.get("/health")).status_code == 200
        chat, heard, vector = await asyncio.gather(_chat(client), _hear(client, PHRASES[0]), _embed(client, "rain"))
        assert chat == "Hello! How can I help you today?"
        assert heard == PHRASES[0]["text"]
        assert vector
        assert (await http.get("/health")).status_code == 200
        assert await large
        # A short speech comes in between the sentences of the long one, which is still being spoken.
        assert await _speak(client)
        workers = (await http.get("/v1/status")).json()["workers"]
        assert [one["open_requests"] for one in workers if one["name"] == "demo-kokoro"] == [1]
        assert await anext(sound)
