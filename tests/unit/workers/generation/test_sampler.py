from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from shared.messages import Sampling
from workers.generation.sampler import Draw, RowSampler, TokenCounts
from workers.platform.sampling import SamplingParams, resolve

VOCAB = 40
EOS = frozenset({3})


def params(**sampling: Any) -> SamplingParams:
    wanted = Sampling(**({"seed": 0} | sampling))
    return resolve(wanted, defaults={}, vocab_size=VOCAB, eos=EOS, room=1000)


def logits_of(seed: int, rows: int = 1) -> mx.array:
    return mx.array(np.random.default_rng(seed).normal(0, 2, (rows, VOCAB)).astype(np.float32))


def sample(
    logits: mx.array, rows: list[SamplingParams], steps: list[int] | None = None, counts: TokenCounts | None = None
) -> Draw:
    return RowSampler(rows, VOCAB, EOS).sample(logits, steps or [0] * len(rows), counts)


def frequencies(logits: mx.array, draws: int = 4000, **sampling: Any) -> np.ndarray[Any, Any]:
    """How often each token is drawn, over as many seeds."""
    rows = [params(seed=seed, **sampling) for seed in range(draws)]
    tokens = np.array(sample(mx.repeat(logits, draws, axis=0), rows).tokens)
    return np.bincount(tokens, minlength=VOCAB) / draws


def reference(
    logits: mx.array, temperature: float = 1, top_k: int = 0, top_p: float = 1, min_p: float = 0
) -> np.ndarray[Any, Any]:
    """vLLM's: temperature, then min-p, then top-k, then top-p over what is left."""
    scaled = np.array(logits, dtype=np.float64)[0] / temperature
    p = np.exp(scaled - scaled.max())
    p[p < min_p] = 0
    if top_k:
        p[p < np.sort(p)[-top_k]] = 0
    p /= p.sum()
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= top_p]] = 0
    return p / p.sum()


MIXED = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.7, "top_p": 0.5},
    {"top_k": 3},
    {"temperature": 1.9, "min_p": 0.2},
    {"top_k": 9, "top_p": 0.9, "min_p": 0.02},
    {"logit_bias": ((5, 3.0), (7, -100.0))},
    {"allowed_token_ids": (1, 2, 30)},
    {"min_tokens": 5},
    {"logprobs": 4},
]


@pytest.mark.parametrize("order", [list(range(10)), list(range(9, -1, -1)), [4, 1, 8, 0], [7, 3]])
def test_a_row_draws_the_same_alone_and_in_any_batch(order: list[int]) -> None:
    logits = logits_of(1, rows=len(MIXED))
    rows = [params(seed=100 + i, **MIXED[i]) for i in range(len(MIXED))]
    for step in range(6):
        alone = [sample(logits[i : i + 1], [rows[i]], [step + i]).tokens.item() for i in order]
        index = mx.array(order)
        batch = sample(logits[index], [rows[i] for i in order], [step + i for i in order])
        assert batch.tokens.tolist() == alone


def test_a_seed_decides_and_a_step_makes_a_difference() -> None:
    logits = mx.repeat(logits_of(2), 50, axis=0)
    first = sample(logits, [params(seed=s) for s in range(50)]).tokens.tolist()
    assert first == sample(logits, [params(seed=s) for s in range(50)]).tokens.tolist()
    assert first != sample(logits, [params(seed=s + 2**40) for s in range(50)]).tokens.tolist()
    later = sample(logits, [params(seed=7)] * 50, list(range(50))).tokens.tolist()
    assert len(set(later)) > 5


@pytest.mark.parametrize(
    "sampling", [{"temperature": 0.0}, {"top_k": 1}, {"temperature": 1e-300}, {"temperature": 1e-7}]
)
def test_greedy_is_the_largest_logit(sampling: dict[str, Any]) -> None:
    logits = logits_of(3, rows=20) * 30
    assert sample(logits, [params(**sampling)] * 20).tokens.tolist() == mx.argmax(logits, axis=-1).tolist()


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 4},
        {"top_k": 39},
        {"top_p": 0.6},
        {"top_p": 0.01},
        {"min_p": 0.1},
        {"min_p": 1.0},
        {"temperature": 1.5, "top_k": 6, "top_p": 0.8},
        {"top_p": 0.7, "min_p": 0.2},
        {"temperature": 2.0, "top_k": 12, "top_p": 0.9, "min_p": 0.15},
    ],
)
def test_the_draw_has_the_right_support_and_frequencies(sampling: dict[str, Any]) -> None:
    logits = logits_of(4)
    found, expected = frequencies(logits, **sampling), reference(logits, **sampling)
    assert not found[expected == 0].any()
    assert found[expected > 0.005].all()
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_min_p_goes_before_top_p() -> None:
    """Where the order shows: what min-p drops no longer counts towards top-p's mass."""
    logits = mx.log(mx.array([[0.4, 0.3] + [0.3 / (VOCAB - 2)] * (VOCAB - 2)]))
    found = frequencies(logits, draws=500, top_p=0.5, min_p=0.1)
    assert found[0] == 1
    assert frequencies(logits, draws=500, top_p=0.5)[1] > 0


def test_the_temperature_goes_before_top_p() -> None:
    logits = mx.log(mx.array([[0.6, 0.3] + [0.1 / (VOCAB - 2)] * (VOCAB - 2)]))
    assert (frequencies(logits, draws=300, top_p=0.55, temperature=2.0) > 0).sum() > 1
    assert (frequencies(logits, draws=300, top_p=0.55) > 0).sum() == 1


def test_a_row_with_top_k_changes_nothing_for_a_row_without() -> None:
    """A long tail of small weights: sums that round may not cut it off."""
    logits = mx.concatenate([mx.zeros((1, VOCAB)), mx.full((1, VOCAB), -8.0)], axis=1)
    rows = [resolve(Sampling(seed=s), defaults={}, vocab_size=2 * VOCAB, eos=EOS, room=9) for s in range(64)]
    other = resolve(Sampling(seed=1, top_k=2), defaults={}, vocab_size=2 * VOCAB, eos=EOS, room=9)
    alone = RowSampler(rows, 2 * VOCAB, EOS).sample(mx.repeat(logits, 64, axis=0), [0] * 64, None).tokens.tolist()
    beside = RowSampler([*rows, other], 2 * VOCAB, EOS).sample(mx.repeat(logits, 65, axis=0), [0] * 65, None)
    assert beside.tokens.tolist()[:64] == alone


# ------------------------------------------------------------------ logits that are changed
def adjusted(logits: mx.array, row: SamplingParams, counts: TokenCounts | None = None, step: int = 0) -> Any:
    return np.array(RowSampler([row], VOCAB, EOS)._adjust(logits, [step], counts))[0]


def test_presence_and_frequency_look_at_the_answer_only() -> None:
    logits = logits_of(5)
    counts = TokenCounts.of([[1, 2]], [[2, 4, 4]], VOCAB)
    expected = np.array(logits)[0]
    expected[2] -= 0.5 + 0.25
    expected[4] -= 0.5 + 2 * 0.25
    found = adjusted(logits, params(presence_penalty=0.5, frequency_penalty=0.25), counts)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_repetition_looks_at_prompt_and_answer() -> None:
    logits = mx.where(mx.arange(VOCAB) % 2 == 0, 3.0, -3.0)[None]
    counts = TokenCounts.of([[0, 1]], [[1, 2, 2]], VOCAB)
    found = adjusted(logits, params(repetition_penalty=2.0), counts)
    assert found[:5].tolist() == [1.5, -6.0, 1.5, -3.0, 3.0]


def test_counts_grow_with_the_tokens_of_a_step() -> None:
    counts = TokenCounts.of([[1], []], [[2], [3, 3]], VOCAB)
    counts.add(mx.array([2, 5]))
    counts.add(mx.array([6, 5]))
    output = np.array(counts.output)
    assert {i: n for i, n in enumerate(output[0]) if n} == {2: 2, 6: 1}
    assert {i: n for i, n in enumerate(output[1]) if n} == {3: 2, 5: 2}
    assert np.flatnonzero(np.array(counts.prompt)[0]).tolist() == [1]


def test_bias_goes_before_the_penalties() -> None:
    counts = TokenCounts.of([[]], [[8]], VOCAB)
    row = params(repetition_penalty=2.0, logit_bias=((8, 4.0),))
    assert adjusted(mx.zeros((1, VOCAB)), row, counts)[8] == 2.0


def test_a_bias_of_a_hundred_forces_and_forbids() -> None:
    logits = logits_of(6)
    best = int(mx.argmax(logits).item())
    assert set(np.flatnonzero(frequencies(logits, draws=200, logit_bias=((9, 100.0),)))) == {9}
    assert frequencies(logits, draws=500, logit_bias=((best, -100.0),))[best] == 0


def test_allowed_tokens_are_the_only_ones() -> None:
    found = frequencies(logits_of(7), draws=1000, allowed_token_ids=(4, 11, 12), temperature=2.0)
    assert set(np.flatnonzero(found)) == {4, 11, 12}
    chosen = sample(logits_of(7), [params(allowed_token_ids=(4, 11), logit_bias=((11, 50.0),), temperature=0.0)])
    assert chosen.tokens.item() == 11


def test_no_end_before_min_tokens() -> None:
    logits = mx.zeros((2, VOCAB)).at[:, 3].add(9.0).at[:, 8].add(8.0)
    row = params(min_tokens=2, temperature=0.0, stop_token_ids=(8,))
    rows = [row, params(temperature=0.0)]
    assert 3 not in sample(logits, rows, [1, 1]).tokens.tolist()[:1]
    assert 8 not in sample(logits, rows, [1, 1]).tokens.tolist()[:1]
    assert sample(logits, rows, [1, 1]).tokens.tolist()[1] == 3
    assert sample(logits, rows, [2, 1]).tokens.tolist() == [3, 3]


def test_min_tokens_of_a_model_without_an_end() -> None:
    row = resolve(Sampling(temperature=0.0, min_tokens=2), defaults={}, vocab_size=VOCAB, eos=frozenset(), room=9)
    logits = logits_of(8)
    draw = RowSampler([row], VOCAB, frozenset()).sample(logits, [0], None)
    assert draw.tokens.item() == mx.argmax(logits).item()


# ------------------------------------------------------------------ log-probabilities
def test_logprobs_are_of_the_raw_logits() -> None:
    logits = logits_of(9, rows=3)
    rows = [
        params(logprobs=5, temperature=0.2, logit_bias=((6, 100.0),)),
        params(logprobs=0),
        params(logprobs=2, top_k=2, presence_penalty=1.0),
    ]
    draw = sample(logits, rows, counts=TokenCounts.of([[]] * 3, [[]] * 3, VOCAB))
    raw = np.array(logits, dtype=np.float64)
    expected = raw - np.log(np.exp(raw).sum(axis=-1, keepdims=True))
    tokens = draw.tokens.tolist()
    assert tokens[0] == 6
    assert draw.chosen is not None
    np.testing.assert_allclose(draw.chosen.tolist(), [expected[i, t] for i, t in enumerate(tokens)], rtol=1e-4)
    assert draw.top_tokens is not None
    assert draw.top_logprobs is not None
    for row in range(3):
        best = np.argsort(-expected[row])[:5]
        assert set(draw.top_tokens.tolist()[row]) == set(best.tolist())
        np.testing.assert_allclose(sorted(draw.top_logprobs.tolist()[row]), sorted(expected[row, best]), rtol=1e-4)


def test_a_batch_pays_only_for_what_is_asked() -> None:
    plain = RowSampler([params(), params(temperature=0.0)], VOCAB, EOS)
    assert not plain.penalised
    assert plain.sample(logits_of(1, 2), [0, 0], None).arrays[1:] == []
    assert RowSampler([params(), params(presence_penalty=1.0)], VOCAB, EOS).penalised


def test_half_precision_logits_are_widened() -> None:
    logits = logits_of(10).astype(mx.bfloat16)
    draw = sample(logits, [params(temperature=0.0, logprobs=1)])
    assert draw.chosen is not None
    assert draw.chosen.dtype == mx.float32
