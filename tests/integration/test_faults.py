"""kill -9, at the worst moment."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import psutil
from openai import APIError, AsyncOpenAI

from tests.integration.node import DEMO_CHAT, Node, serve, until

HELLO = [{"role": "user", "content": "Hello!"}]


async def _stream_to_its_end(client: AsyncOpenAI, started: asyncio.Event) -> str:
    """How a long stream ended: the code of its error, or `clean`."""
    try:
        stream = await client.chat.completions.create(
            model="demo-chat", messages=HELLO, stream=True, max_tokens=20_000, extra_body={"ignore_eos": True}
        )
        async for chunk in stream:
            if any(choice.delta.model_extra or choice.delta.content for choice in chunk.choices):
                started.set()  # something was shown: it can't be begun anew
    except APIError as error:
        return str(error.code)
    return "clean"


async def test_when_a_worker_is_killed_every_stream_ends_with_a_typed_error_and_the_next_request_works(
    own_node: Node,
) -> None:
    async with AsyncOpenAI(base_url=own_node.url + "/v1", api_key="none", max_retries=0) as client:
        started = [asyncio.Event() for _ in range(5)]
        streams = [asyncio.create_task(_stream_to_its_end(client, event)) for event in started]
        await asyncio.gather(*(event.wait() for event in started))
        before = own_node.worker()["pid"]
        os.kill(before, signal.SIGKILL)
        assert await asyncio.gather(*streams) == ["worker_lost"] * 5
        # The next request waits for the restarted worker instead of failing.
        answer = await client.chat.completions.create(model="demo-chat", messages=HELLO, timeout=120)
        assert answer.choices[0].message.content == "Hello! How can I help you today?"
        assert own_node.worker()["pid"] != before


async def test_a_request_that_has_shown_nothing_survives_the_death_of_its_worker(own_node: Node) -> None:
    async with AsyncOpenAI(base_url=own_node.url + "/v1", api_key="none", max_retries=0) as client:
        asked = asyncio.create_task(
            client.chat.completions.create(
                model="demo-chat", messages=HELLO, max_tokens=600, extra_body={"ignore_eos": True}, timeout=120
            )
        )
        while own_node.worker()["open_requests"] == 0:
            await asyncio.sleep(0)
        os.kill(own_node.worker()["pid"], signal.SIGKILL)
        answer = await asked
        assert answer.usage
        assert answer.usage.completion_tokens == 600


def test_no_worker_survives_a_killed_gateway(own_node: Node) -> None:
    workers = [psutil.Process(worker["pid"]) for worker in own_node.status()["workers"]]
    assert workers
    own_node.process.kill()
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    assert len(gone) == len(workers)


def test_sigterm_ends_everything_and_leaves_nothing_behind(own_node: Node) -> None:
    workers = [psutil.Process(worker["pid"]) for worker in own_node.status()["workers"]]
    sockets = {Path(c.laddr).parent for w in workers for c in w.net_connections("unix") if c.laddr}
    own_node.process.terminate()
    assert own_node.process.wait(60) == 0
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not [folder for folder in sockets if folder.exists()]


def test_health_answers_while_models_load_and_ready_tells_the_truth(tmp_path: Path) -> None:
    with serve(tmp_path / "log", DEMO_CHAT, ready=False) as node:
        assert node.get("/health").status_code == 200
        states = {httpx.get(node.url + "/health/ready", timeout=60).status_code}
        until(lambda: states.add(node.get("/health/ready").status_code) or 200 in states)
        assert states == {200, 503}
