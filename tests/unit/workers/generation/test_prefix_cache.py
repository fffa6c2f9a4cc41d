from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.generation.prefix_cache import Match, PrefixCache, Span

TOKEN_BYTES = 2 * 4 * 4  # keys and values, one head, four numbers of four bytes


class State:
    """A checkpoint as far as the cache cares."""

    nbytes = 100

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = tuple(tokens)


def keys_of(tokens: Sequence[int]) -> mx.array:
    """Keys that depend on the token and all before it, as real ones do."""
    sums = np.cumsum(np.array(tokens, dtype=np.float32) + 1)
    return mx.array(np.repeat(sums[None, None, :, None], 4, axis=3))


def span_of(tokens: Sequence[int]) -> Span:
    return [(keys_of(tokens), -keys_of(tokens))]


def put(cache: PrefixCache, tokens: Sequence[int], checkpoint: bool = False) -> list[tuple[int, int]]:
    """Inserts; returns which stretches were asked for."""
    asked: list[tuple[int, int]] = []

    def read(start: int, end: int) -> Span:
        asked.append((start, end))
        return [(k[:, :, start:end], v[:, :, start:end]) for k, v in span_of(tokens)]

    cache.insert(tokens, read, (lambda: [State(tokens)]) if checkpoint else None)
    return asked


def check(match: Match, tokens: Sequence[int]) -> None:
    """What a match hands out is the right keys and values, whatever edges they came from."""
    if match.length:
        ((keys, values),) = match.span
        assert mx.array_equal(keys, keys_of(tokens[: match.length]))
        assert mx.array_equal(values, -keys_of(tokens[: match.length]))
    else:
        assert match.span == []
        assert match.checkpoint is None


def recount(cache: PrefixCache) -> int:
    total, stack = 0, [cache._root]
    while stack:
        node = stack.pop()
        total += node.nbytes
        stack.extend(node.children.values())
    return total


def test_a_match_is_exact_to_the_token() -> None:
    cache = PrefixCache(10**6, checkpoints=False)
    put(cache, [1, 2, 3, 4, 5])
    for tokens, expected in (([1, 2, 3, 9], 3), ([1, 2, 3, 4, 5, 6], 5), ([2], 0), ([1], 1)):
        match = cache.match(tokens, len(tokens))
        assert match.length == expected
        check(match, tokens)


def test_a_match_never_passes_its_limit() -> None:
    cache = PrefixCache(10**6, checkpoints=False)
    put(cache, [1, 2, 3])
    assert cache.match([1, 2, 3], 2).length == 2
    assert cache.match([1, 2, 3], 0).length == 0


def test_only_what_is_new_is_read_and_stored() -> None:
    cache = PrefixCache(10**6, checkpoints=False)
    assert put(cache, [1, 2, 3, 4]) == [(0, 4)]
    assert put(cache, [1, 2, 3, 4]) == []
    assert put(cache, [1, 2]) == []
    assert put(cache, [1, 2, 8, 9]) == [(2, 4)]
    assert put(cache, [1, 2, 3, 4, 5]) == [(4, 5)]
    assert cache.nbytes == 7 * TOKEN_BYTES == recount(cache)
    for tokens in ([1, 2, 3, 4, 5], [1, 2, 8, 9]):
        match = cache.match(tokens, len(tokens))
        assert match.length == len(tokens)
        check(match, tokens)


def test_the_least_recently_used_end_goes_first() -> None:
    cache = PrefixCache(8 * TOKEN_BYTES, checkpoints=False)
    put(cache, [1, 1, 2, 2])
    put(cache, [1, 1, 3, 3])
    cache.match([1, 1, 2, 2], 4)
    put(cache, [7, 7, 7])
    assert cache.match([1, 1, 3, 3], 4).length == 2
    assert cache.match([1, 1, 2, 2], 4).length == 4
    assert cache.nbytes == 7 * TOKEN_BYTES


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = PrefixCache(3 * TOKEN_BYTES, checkpoints=False)
    put(cache, [1, 2, 3, 4])
    assert (cache.nbytes, cache.match([1, 2, 3, 4], 4).length) == (0, 0)


def test_clear_forgets_all() -> None:
    cache = PrefixCache(10**6, checkpoints=False)
    put(cache, [1, 2])
    cache.clear()
    assert (cache.nbytes, cache.match([1, 2], 2).length) == (0, 0)


def test_resuming_at_checkpoints_only() -> None:
    cache = PrefixCache(10**6, checkpoints=True)
    put(cache, [1, 2, 3], checkpoint=True)
    put(cache, [1, 2, 3, 4, 5], checkpoint=True)
    put(cache, [1, 2, 9])  # splits the first edge; no checkpoint where it was cut
    for tokens, expected in (([1, 2, 3, 4], 3), ([1, 2, 3, 4, 5, 6], 5), ([1, 2, 9, 9], 0), ([1, 2], 0)):
        match = cache.match(tokens, len(tokens))
        assert match.length == expected
        check(match, tokens)
        if expected:
            assert match.checkpoint is not None
            assert match.checkpoint[0].tokens == tuple(tokens[:expected])
    assert cache.match([1, 2, 3, 4, 5], 4).length == 3


def test_a_checkpoint_may_come_later_and_counts() -> None:
    cache = PrefixCache(10**6, checkpoints=True)
    put(cache, [1, 2, 3, 4])
    put(cache, [1, 2], checkpoint=True)
    assert cache.match([1, 2, 3], 3).length == 2
    assert cache.nbytes == 4 * TOKEN_BYTES + State.nbytes == recount(cache)


def test_the_cache_owns_its_arrays() -> None:
    """A view into a batch's cache would change with it, and keep all of it alive."""
    cache = PrefixCache(10**6, checkpoints=False)
    batch = keys_of([1, 2, 3])
    cache.insert([1, 2, 3], lambda start, end: [(batch[:, :, start:end], -batch[:, :, start:end])])
    batch[:] = 0
    check(cache.match([1, 2, 3], 3), [1, 2, 3])


runs = st.lists(st.integers(0, 2), max_size=8)


class Naive:
    """Every beginning that was ever put in, without a bound."""

    def __init__(self) -> None:
        self.known: set[tuple[int, ...]] = set()

    def match(self, tokens: list[int], limit: int) -> int:
        return max((n for n in range(1, limit + 1) if tuple(tokens[:n]) in self.known), default=0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "match"]), runs), max_size=20))
def test_an_unbounded_cache_agrees_with_a_naive_one(events: list[tuple[str, list[int]]]) -> None:
    cache, naive = PrefixCache(10**9, checkpoints=False), Naive()
    for verb, tokens in events:
        if verb == "put":
            put(cache, tokens)
            naive.known.update(tuple(tokens[:n]) for n in range(1, len(tokens) + 1))
            assert cache.nbytes == len(naive.known) * TOKEN_BYTES  # what is shared is stored once
        else:
            match = cache.match(tokens, len(tokens))
            assert match.length == naive.match(tokens, len(tokens))
            check(match, tokens)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(runs, st.booleans()), max_size=20), st.integers(0, 12 * TOKEN_BYTES), st.booleans(), st.data()
)
def test_a_bounded_cache_stays_in_bounds_and_truthful(
    events: list[tuple[list[int], bool]], bound: int, checkpoints: bool, data: Any
) -> None:
    cache, naive = PrefixCache(bound, checkpoints), Naive()
    for tokens, checkpoint in events:
        put(cache, tokens, checkpoint and checkpoints)
        naive.known.update(tuple(tokens[:n]) for n in range(1, len(tokens) + 1))
        assert cache.nbytes <= bound
        assert cache.nbytes == recount(cache)
        asked = data.draw(runs)
        match = cache.match(asked, len(asked))
        assert match.length <= naive.match(asked, len(asked))
        check(match, asked)
        if checkpoints and match.length:
            assert match.checkpoint is not None
            assert match.checkpoint[0].tokens == tuple(asked[: match.length])


def test_shrinking_lets_the_least_recently_used_go_and_leaves_the_bound_as_it_was() -> None:
    cache = PrefixCache(100 * TOKEN_BYTES, checkpoints=False)
    for tokens in ([1, 2, 3], [4, 5, 6], [7, 8, 9]):
        put(cache, tokens)
    cache.match([1, 2, 3], 3)
    cache.shrink(4 * TOKEN_BYTES)
    assert [cache.match(tokens, 3).length for tokens in ([1, 2, 3], [4, 5, 6], [7, 8, 9])] == [3, 0, 0]
    cache.shrink(0)
    assert (cache.nbytes, cache.match([1, 2, 3], 3).length) == (0, 0)
    put(cache, [1, 2, 3])
    assert cache.nbytes == 3 * TOKEN_BYTES
