from __future__ import annotations

import mlx.core as mx

from workers.vision.features import FeatureCache

ROW = 4 * 8  # bytes of a medium of two tokens


def features(value: float) -> list[mx.array]:
    return [mx.full((2, 4), value)]


def test_the_least_recently_used_go_first() -> None:
    cache = FeatureCache(2 * ROW)
    cache.put("a", features(1))
    cache.put("b", features(2))
    assert cache.get("a") is not None
    cache.put("c", features(3))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    assert cache.nbytes == 2 * ROW


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = FeatureCache(ROW)
    cache.put("deep", [*features(1), *features(2)])
    assert cache.get("deep") is None
    cache.put("a", features(1))
    cache.put("a", features(1))
    assert cache.nbytes == ROW
    cache.clear()
    assert (cache.get("a"), cache.nbytes) == (None, 0)


def test_a_kept_slice_does_not_hold_the_prompt_in_memory() -> None:
    cache = FeatureCache(1 << 20)
    prompt = mx.random.normal((4096, 64))
    mx.eval(prompt)
    cache.put("a", [prompt[3:5]])
    mx.synchronize()
    before = mx.get_active_memory()
    del prompt
    assert before - mx.get_active_memory() >= 4096 * 64 * 4
    assert cache.nbytes == 2 * 64 * 4


def test_shrinking_keeps_the_last_ones_used() -> None:
    cache = FeatureCache(1 << 20)
    for at, key in enumerate("abc"):
        cache.put(key, features(at))
    cache.shrink(ROW)
    assert [cache.get(key) is not None for key in "abc"] == [False, False, True]
    assert cache.nbytes == ROW
