"""The batch's KV cache against plain `KVCache`s that each row would have had to itself."""

from __future__ import annotations

from itertools import count

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models import base
from mlx_lm.models.cache import CacheList, KVCache, RotatingKVCache

from workers.generation import attention
from workers.generation.attention import grouped
from workers.generation.kv import COLUMN_STEP, TRIM_AFTER, Columns, GroupedCache, RowsCache
from workers.generation.layers import Group, Layers, RowState
from workers.generation.prefix_cache import NO_MATCH, Match

HEADS, DIM = 2, 4
_values = count(1)


def new_kv(rows: int, tokens: int) -> tuple[mx.array, mx.array]:
    """Keys and values that occur nowhere else."""
    size = rows * HEADS * tokens * DIM
    start = next(_values) * 100_000
    keys = mx.arange(start, start + size, dtype=mx.float32).reshape(rows, HEADS, tokens, DIM)
    return keys, -keys


class OneLayer:
    """A model as far as `Layers` cares."""

    def make_cache(self) -> list[KVCache]:
        return [KVCache(), KVCache()]


class Rows:
    """A `Group` beside a plain cache for every row and layer."""

    def __init__(self) -> None:
        self.layers = Layers(OneLayer().make_cache)
        self.group = Group(self.layers)
        self.plain: list[list[KVCache]] = []

    def join(self, lengths: list[int]) -> None:
        states = []
        for length in lengths:
            caches = self.layers.single(Match(0, []))
            if length:
                for cache in caches:
                    cache.update_and_fetch(*new_kv(1, length))
            states.append(self.layers.state(caches, length))
            self.plain.append(caches)
        self.group.join(states)

    def step(self) -> None:
        for layer, cache in enumerate(self.group.caches):
            keys, values = new_kv(self.group.rows, 1)
            cache.update_and_fetch(keys, values)
            for row, plain in enumerate(self.plain):
                plain[layer].update_and_fetch(keys[row : row + 1], values[row : row + 1])
        self.group.columns.advance(1)

    def leave(self, gone: list[int]) -> None:
        order = self.group.leave(gone)
        assert sorted(order) == [row for row in range(len(self.plain)) if row not in gone]
        self.plain = [self.plain[old] for old in order]

    def check(self) -> None:
        """Reads every row back, and looks at it as a model would: through the mask."""
        columns = self.group.columns
        assert columns.rows == len(self.plain)
        for row, plain in enumerate(self.plain):
            length = plain[0].offset
            assert columns.length(row) == length
            assert columns.offsets[row].item() == length
            span = self.group.read(row, 0, length) if length else []
            for (keys, values), expected in zip(span, plain, strict=bool(length)):
                assert mx.array_equal(keys, expected.keys_and_values()[0])
                assert mx.array_equal(values, expected.keys_and_values()[1])
            mask = columns.mask(1, None)
            seen = [columns.width + 1] if mask is None else np.array(mask)[row, 0].sum(axis=-1).tolist()
            assert seen == [length + 1]


def test_rows_join_decode_and_leave() -> None:
    rows = Rows()
    rows.join([3, 7])
    rows.check()
    rows.step()
    rows.join([20, 0, 5])
    rows.check()
    rows.step()
    rows.leave([0, 3])
    rows.check()
    rows.step()
    rows.leave([0, 1, 2])
    rows.check()
    rows.join([4])
    rows.step()
    rows.check()


def test_a_row_without_a_token_yet_takes_the_place_of_one_that_leaves() -> None:
    rows = Rows()
    rows.join([1, 0])
    rows.leave([0])
    rows.check()
    rows.step()
    rows.check()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.lists(st.integers(0, 600), min_size=1, max_size=3), st.just("step"), st.just("leave")), max_size=12
    ),
    st.data(),
)
def test_any_history_keeps_every_row(events: list[list[int] | str], data: st.DataObject) -> None:
    rows = Rows()
    for event in events:
        if isinstance(event, list):
            rows.join(event)
        elif not rows.plain:
            continue
        elif event == "step":
            rows.step()
        else:
            rows.leave(data.draw(st.lists(st.integers(0, len(rows.plain) - 1), unique=True, min_size=1)))
    rows.check()


def test_the_capacity_grows_by_doubling_rows_and_by_whole_column_steps() -> None:
    rows = Rows()
    rows.join([10])
    cache = rows.group.caches[0]
    assert cache.keys.shape == (1, HEADS, COLUMN_STEP, DIM)
    rows.join([10])
    rows.join([10])
    assert cache.keys.shape[0] == 4
    for _ in range(COLUMN_STEP - 10):
        rows.step()
    assert cache.keys.shape[2] == COLUMN_STEP
    rows.step()
    assert cache.keys.shape[2] == 2 * COLUMN_STEP
    rows.check()


def test_a_longer_row_shifts_the_others() -> None:
    rows = Rows()
    rows.join([2])
    rows.step()
    rows.join([900])
    assert rows.group.columns.left == [897, 0]
    rows.check()
    rows.step()
    rows.check()


def test_columns_that_nobody_uses_any_more_are_dropped() -> None:
    rows = Rows()
    rows.join([TRIM_AFTER + 5, 5])
    rows.leave([0])
    assert rows.group.columns.left == [0]
    assert rows.group.columns.width == 5
    rows.check()
    rows.step()
    rows.check()
    rows.join([TRIM_AFTER + 4, 3])
    rows.leave([1])
    assert min(rows.group.columns.left) < TRIM_AFTER
    rows.check()


def test_a_mask_is_built_only_where_one_is_needed() -> None:
    assert Columns(5, [0, 0]).mask(1, None) is None
    assert Columns(5, [0, 1]).mask(1, None) is not None
    assert Columns(5, [0]).mask(1, 6) is None
    window = Columns(5, [0, 4]).mask(1, 3)
    assert window is not None
    assert np.array(window)[:, 0, 0].astype(int).tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1]]
    causal = Columns(1, [0, 1]).mask(2, None)
    assert causal is not None
    assert np.array(causal)[:, 0].astype(int).tolist() == [[[1, 1, 0], [1, 1, 1]], [[0, 1, 0], [0, 1, 1]]]


def test_a_mask_is_made_once_a_step_for_all_layers() -> None:
    columns = Columns(5, [0, 1])
    assert columns.mask(1, None) is columns.mask(1, None)
    before = columns.mask(1, None)
    columns.advance(1)
    assert columns.mask(1, None) is not before


@pytest.mark.parametrize("sinks", [None, mx.array([0.3, -0.2])])
def test_grouped_attention_is_attention_row_by_row(sinks: mx.array | None) -> None:
    lengths = [[3, 5], [12], [4, 4, 9]]
    groups = []
    for group in lengths:
        cache = RowsCache(Columns())
        cache.columns.width = max(group)
        for row, length in enumerate(group):
            keys = mx.random.normal((1, HEADS, length, DIM), key=mx.random.key(10 * length + row))
            cache.write(row, (keys, keys + 1), max(group))
            cache.columns.left.append(max(group) - length)
        cache.columns.changed()
        groups.append(cache)
    total = sum(map(len, lengths))
    new, queries = (mx.random.normal((total, HEADS, 1, DIM), key=mx.random.key(k)) for k in (1, 2))
    fused = GroupedCache(groups)
    assert fused.offset.tolist() == [length for group in lengths for length in group]
    masks = fused.make_mask(1)
    before = [
        [cache.read(row, cache.columns.left[row], cache.columns.width) for row in range(len(group))]
        for cache, group in zip(groups, lengths, strict=True)
    ]
    keys, values = fused.update_and_fetch(new, new + 1)
    found = grouped(base.scaled_dot_product_attention)(queries, keys, values, fused, 0.5, masks, sinks)
    alone = []
    for at, (k, v) in enumerate(pair for group in before for pair in group):
        k, v = (mx.concatenate([old, one], axis=2) for old, one in ((k, new[at : at + 1]), (v, new[at : at + 1] + 1)))
        alone.append(
            mx.fast.scaled_dot_product_attention(queries[at : at + 1], k, v, scale=0.5, mask=None, sinks=sinks)
        )
    np.testing.assert_allclose(np.array(found), np.array(mx.concatenate(alone)), atol=1e-5)


def test_grouped_attention_leaves_plain_attention_alone() -> None:
    attention.install("mlx_lm.models")
    attention.install("mlx_lm.models")
    x = mx.random.normal((1, HEADS, 3, DIM), key=mx.random.key(0))
    found = grouped(base.scaled_dot_product_attention)(x, x, x, None, 0.5, None)
    assert mx.array_equal(found, mx.fast.scaled_dot_product_attention(x, x, x, scale=0.5, mask=None))


# ------------------------------------------------------------------ layers of several kinds
class Mixed:
    def make_cache(self) -> list[KVCache | RotatingKVCache]:
        return [RotatingKVCache(max_size=8), KVCache()]


def test_layers_know_which_caches_are_their_own() -> None:
    layers = Layers(Mixed().make_cache)
    assert layers.is_kv == [False, True]
    assert not layers.all_kv
    assert layers.mergeable
    assert Layers(OneLayer().make_cache).all_kv
    assert not Layers(lambda: [KVCache(), object()]).mergeable


def prefilled(layers: Layers, length: int) -> RowState:
    caches = layers.single(Match(0, []))
    for cache in caches:
        cache.update_and_fetch(*new_kv(1, length))
    return layers.state(caches, length)


def test_a_state_resumes_without_touching_what_it_came_from() -> None:
    layers = Layers(Mixed().make_cache)
    state = prefilled(layers, 6)
    match = Match(6, state.span, state.others)
    kept = [mx.array(array) for array in (match.span[0][0], state.others[0].keys)]
    for _ in range(2):
        caches = layers.single(match)
        assert [cache.offset for cache in caches] == [6, 6]
        for cache in caches:
            cache.update_and_fetch(*new_kv(1, 1))
            cache.update_and_fetch(*new_kv(1, 5))
    assert mx.array_equal(match.span[0][0], kept[0])
    assert mx.array_equal(state.others[0].keys, kept[1])
    assert state.others[0].offset == 6


def test_rows_alone_keep_the_librarys_caches() -> None:
    layers = Layers(Mixed().make_cache)
    state = prefilled(layers, 6)
    group = Group(layers, alone=True)
    group.join([state])
    assert [type(cache) for cache in group.caches] == [RotatingKVCache, KVCache]
    keys, values = new_kv(1, 1)
    for cache in group.caches:
        cache.update_and_fetch(keys, values)
    group.columns.advance(1)
    assert group.columns.length(0) == 7
    ((read, _),) = group.read(0, 5, 7)
    assert mx.array_equal(read, mx.concatenate([state.span[0][0][:, :, 5:6], keys], axis=2))
    (copied,) = group.others(0)
    assert copied is not group.caches[0]
    assert copied.offset == 7
    assert state.others[0].offset == 6  # another choice of the request may still start from it
    assert group.nbytes > 0
    assert group.leave([0]) == []


def test_a_part_of_a_layer_that_is_never_written_is_kept_as_new() -> None:
    layers = Layers(lambda: [CacheList(KVCache(), KVCache())])
    states = []
    for tokens in (3, 5):
        (cache,) = layers.single(NO_MATCH)
        cache[0].update_and_fetch(*new_kv(1, tokens))
        states.append(layers.state([cache], tokens))
    group = Group(layers)
    group.join(states)
    (kept,) = group.others(1)
    assert kept[1].empty()
    assert kept[0].size() == 5
    assert np.array_equal(kept[0].keys_and_values()[0], states[1].others[0][0].keys_and_values()[0])
