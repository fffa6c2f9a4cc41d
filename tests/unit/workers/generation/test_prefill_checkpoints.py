"""A model whose layers can't be cut at any token still goes on from where two prompts part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, RotatingKVCache

from workers.generation.job import Job
from workers.generation.layers import Layers
from workers.generation.prefill import Prefill
from workers.generation.prefix_cache import PrefixCache

END = 99  # of a turn
SYSTEM = [1, 2, 3, END]


class Forward:
    """Keeps each token as its own key, and says how much it was given at once."""

    kv_type = KVCache
    package = ""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []

    def make_cache(self) -> list[Any]:
        return [RotatingKVCache(max_size=4)]

    def usable(self, job: Job, length: int) -> int:
        return length

    def encode(self, job: Job) -> bool:
        return True

    def prefill(self, tokens: mx.array, caches: list[Any], job: Job | None) -> mx.array:
        self.chunks.append([int(token) for token in tokens[0].tolist()])
        keys = tokens.astype(mx.float32)[:, None, :, None]
        caches[0].update_and_fetch(keys, keys)
        return keys

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Any]) -> mx.array:
        raise NotImplementedError


def run(prefill: Prefill, forward: Forward, tokens: list[int]) -> Job:
    forward.chunks.clear()
    job = Job("r", tokens, tokens)
    prefill.add(job)
    while len(prefill):
        prefill.step(64)
    return job


def setup(turn_ends: frozenset[int]) -> tuple[Prefill, Forward]:
    forward = Forward()
    layers = Layers(forward.make_cache, forward.kv_type)
    return Prefill(forward, layers, PrefixCache(10**6, checkpoints=True), turn_ends), forward


def test_another_question_goes_on_behind_the_system_prompt() -> None:
    prefill, forward = setup(frozenset({END}))
    run(prefill, forward, [*SYSTEM, 4, 5, END, 6, 7])
    assert forward.chunks == [SYSTEM, [4, 5, END], [6]]
    job = run(prefill, forward, [*SYSTEM, 8, 9, END, 6, 7])
    assert job.cached == len(SYSTEM)
    assert forward.chunks == [[8, 9, END], [6]]
    assert job.state is not None
    keys, _, *_ = job.state.others[0].state
    assert sorted(int(key) for key in keys.flatten().tolist()) == [6, 8, 9, END]


def test_the_next_turn_goes_on_behind_the_last_one() -> None:
    prefill, forward = setup(frozenset({END}))
    run(prefill, forward, [*SYSTEM, 4, 5, END, 6, 7])
    job = run(prefill, forward, [*SYSTEM, 4, 5, END, 10, 11, END, 6, 7])
    assert job.cached == len(SYSTEM) + 3


def test_without_ends_of_turns_the_whole_prompt_has_to_be_the_same() -> None:
    prefill, forward = setup(frozenset())
    run(prefill, forward, [*SYSTEM, 4, 5, END, 6, 7])
    assert run(prefill, forward, [*SYSTEM, 8, 9, END, 6, 7]).cached == 0
