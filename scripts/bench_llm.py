"""Tokens per second of a node over HTTP against mlx-lm's BatchGenerator in process, on the same model folder.

One run measures, in turn and several times, so that a noisy machine hurts both alike:
  ceiling   mlx-lm's BatchGenerator in a process of its own, greedy
  greedy    N chats streamed from the node, greedy
  one       N chats, one sampling for all
  mixed     N chats, each with its own temperature, top_p and top_k
and prints medians and the ratios that matter. Every answer has exactly --tokens tokens (ignore_eos).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
from bench_node import node

WORDS = "river stone lamp seven quiet tree "
ROOT = Path(__file__).resolve().parent.parent


def prompt(index: int, words: int) -> str:
    return f"{index} " + (WORDS * (words // 6 + 1))[: words * 6]


def sampling(mode: str, index: int) -> dict[str, float]:
    if mode == "greedy":
        return {"temperature": 0.0}
    if mode == "one":
        return {"temperature": 0.8, "top_p": 0.9, "top_k": 20}
    return {"temperature": 0.5 + 0.07 * (index % 8), "top_p": 0.8 + 0.02 * (index % 9), "top_k": 20 + index % 7}


# ------------------------------------------------------------------ the ceiling, in a process of its own
def ceiling_process(folder: str, streams: int, tokens: int, words: int) -> None:
    """Answers each line on stdin with tokens/s of one run."""
    from mlx_lm import load
    from mlx_lm.generate import BatchGenerator

    model, tokenizer = load(folder)
    chats = [[{"role": "user", "content": prompt(i, words)}] for i in range(streams)]
    prompts = [tokenizer.apply_chat_template(chat, add_generation_prompt=True) for chat in chats]
    for _ in sys.stdin:
        generator = BatchGenerator(model, completion_batch_size=max(streams, 8))
        began, produced = time.perf_counter(), 0
        generator.insert([list(p) for p in prompts], [tokens] * streams)
        while produced < streams * tokens:
            produced += len(generator.next_generated())
        seconds = time.perf_counter() - began
        generator.close()
        print(produced / seconds, flush=True)


# ------------------------------------------------------------------ the node
async def stream_one(client: httpx.AsyncClient, url: str, mode: str, index: int, args: argparse.Namespace) -> dict:
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": prompt(index, args.words)}],
        "max_tokens": args.tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **sampling(mode, index),
    }
    began, first, used = time.perf_counter(), None, 0
    async with client.stream("POST", url + "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if first is None and '"content":"' in line.replace('": "', '":"') and '"content":""' not in line:
                first = time.perf_counter() - began
            if '"usage":{' in line.replace('": {', '":{'):
                used = json.loads(line[5:])["usage"]["completion_tokens"]
    return {"used": used, "first": first or 0.0}


async def over_http(url: str, mode: str, args: argparse.Namespace) -> tuple[float, float]:
    """Tokens/s over all streams, and the median time to the first token in seconds."""
    limits = httpx.Limits(max_connections=args.streams + 4)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        began = time.perf_counter()
        results = await asyncio.gather(*(stream_one(client, url, mode, i, args) for i in range(args.streams)))
        seconds = time.perf_counter() - began
    short = [r["used"] for r in results if r["used"] != args.tokens]
    if short:
        raise SystemExit(f"{len(short)} answers of {args.streams} were not whole: {short[:4]}")
    return sum(r["used"] for r in results) / seconds, statistics.median(r["first"] for r in results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "configs" / "demo" / "demo-chat"))
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ceiling-process", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ceiling_process:
        ceiling_process(args.folder, args.streams, args.tokens, args.words)
        return
    flags = ["--streams", str(args.streams), "--tokens", str(args.tokens), "--words", str(args.words)]
    raw = subprocess.Popen(
        [sys.executable, __file__, args.folder, *flags, "--ceiling-process"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(),
    )  # fmt: skip
    rounds: dict[str, list[float]] = {"ceiling": [], "greedy": [], "one": [], "mixed": []}
    firsts: dict[str, list[float]] = {"greedy": [], "one": [], "mixed": []}
    assert raw.stdin is not None
    assert raw.stdout is not None
    with node(args.folder, "--max-batch", str(max(args.streams, 8))) as url:
        for number in range(args.rounds + 1):
            print(file=raw.stdin, flush=True)
            found = {"ceiling": float(raw.stdout.readline())}
            for mode in ("greedy", "one", "mixed"):
                found[mode], first = asyncio.run(over_http(url, mode, args))
                if number:
                    firsts[mode].append(first)
            if number:  # the first round warms up
                for mode, value in found.items():
                    rounds[mode].append(value)
    raw.kill()
    _report(args, rounds, firsts)


def _environment() -> dict[str, str]:
    from shared.config.environment import child_environment

    return child_environment()


def _report(args: argparse.Namespace, rounds: dict[str, list[float]], firsts: dict[str, list[float]]) -> None:
    print(f"{args.streams} streams, {args.tokens} tokens each, {args.rounds} rounds, {os.path.basename(args.folder)}")
    for mode, values in rounds.items():
        ttft = f"   first token {1000 * statistics.median(firsts[mode]):.0f} ms" if mode in firsts else ""
        print(f"  {mode:8} {statistics.median(values):8.1f} tok/s  ({min(values):.1f} to {max(values):.1f}){ttft}")
    for name, over, under in (("greedy/ceiling", "greedy", "ceiling"), ("mixed/one", "mixed", "one")):
        ratio = statistics.median(a / b for a, b in zip(rounds[over], rounds[under], strict=True))
        print(f"  {name:15} {ratio:.2f}")


if __name__ == "__main__":
    main()
