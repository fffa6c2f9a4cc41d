"""Eight requests together against the same eight one after another, for every modality of the demo node, over HTTP.

Prints the median ratio of the two times (less than 1: batching or overlap pays), measured in turn on one node.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from bench_node import DEMO, node

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
Ask = Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]


async def vision(client: httpx.AsyncClient, index: int) -> httpx.Response:
    pictures = sorted((DATA / "images").glob("*.[pj][np]g"))
    picture = base64.b64encode(pictures[index % len(pictures)].read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "text", "text": f"What is in the picture? {index} {time.perf_counter_ns()}"},  # no cached beginning
    ]
    body = {"model": "demo-vision", "messages": [{"role": "user", "content": content}], "max_tokens": 24}
    return await client.post("/v1/chat/completions", json={**body, "ignore_eos": True})


async def transcription(client: httpx.AsyncClient, index: int) -> httpx.Response:
    sounds = sorted((DATA / "audio").glob("phrase*"))
    sound = sounds[index % len(sounds)]
    form = {"model": "demo-whisper"}
    return await client.post("/v1/audio/transcriptions", data=form, files={"file": (sound.name, sound.read_bytes())})


async def speech(client: httpx.AsyncClient, index: int) -> httpx.Response:
    body = {"model": "demo-kokoro", "input": "Hello.", "voice": "af_heart", "response_format": "pcm"}
    return await client.post("/v1/audio/speech", json=body)


async def embeddings(client: httpx.AsyncClient, index: int) -> httpx.Response:
    return await client.post(
        "/v1/embeddings", json={"model": "demo-embed", "input": f"What is the weather in {index}?"}
    )


MODALITIES: dict[str, Ask] = {
    "transcription": transcription,
    "vision": vision,
    "embeddings": embeddings,
    "speech": speech,
}


async def measure(url: str, ask: Ask, requests: int, rounds: int) -> tuple[float, float, float]:
    """Medians: seconds together, seconds one after another, and of their ratio."""
    together, apart = [], []
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        for number in range(rounds + 1):
            began = time.perf_counter()
            answers = await asyncio.gather(*(ask(client, index) for index in range(requests)))
            middle = time.perf_counter()
            answers += [await ask(client, index) for index in range(requests)]
            ended = time.perf_counter()
            for answer in answers:
                answer.raise_for_status()
            if number:  # the first round warms up
                together.append(middle - began)
                apart.append(ended - middle)
    ratios = [a / b for a, b in zip(together, apart, strict=True)]
    return statistics.median(together), statistics.median(apart), statistics.median(ratios)


async def health(url: str) -> tuple[float, float]:
    """Median and worst seconds of /health while a speech, pictures and transcriptions are being worked on."""
    found = []
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        work = [asyncio.create_task(speech(client, 0))]
        work += [asyncio.create_task(ask(client, index)) for ask in (vision, transcription) for index in range(8)]
        while not all(one.done() for one in work):
            began = time.perf_counter()
            (await client.get("/health")).raise_for_status()
            found.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
        await asyncio.gather(*work)
    return statistics.median(found), max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MODALITIES, action="append")
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with node(*DEMO) as url:
        print(f"{args.requests} requests, {args.rounds} rounds")
        for name in args.only or MODALITIES:
            rounds = 1 if name == "speech" else args.rounds  # seconds each without a GPU
            together, apart, ratio = asyncio.run(measure(url, MODALITIES[name], args.requests, rounds))
            print(f"  {name:14} together {together:6.2f} s   one by one {apart:6.2f} s   ratio {ratio:.2f}", flush=True)
        median, worst = asyncio.run(health(url))
        print(
            f"  /health beside speech, vision and transcription: {1000 * median:.0f} ms, at most {1000 * worst:.0f} ms"
        )


if __name__ == "__main__":
    main()
