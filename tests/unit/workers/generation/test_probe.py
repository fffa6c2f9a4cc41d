"""What the probe lets pass and what it doesn't, on models whose faults are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest

from workers.generation.forward import TextForward
from workers.generation.job import Row
from workers.generation.layers import Layers
from workers.generation.probe import find_sharing
from workers.generation.sharing import Way

VOCAB, DIM = 64, 16


class Attention(nn.Module):
    """One head over embeddings; positions are the tokens' own."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(DIM, DIM, bias=False) for _ in range(3))

    def __call__(self, x: mx.array, cache: Any) -> mx.array:
        q, k, v = (layer(x)[:, None] for layer in (self.q, self.k, self.v))
        mask = cache.make_mask(x.shape[1], return_array=True) if hasattr(cache, "columns") else None
        if mask is None and x.shape[1] > 1:
            mask = "causal"
        k, v = cache.update_and_fetch(k, v)
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=DIM**-0.5, mask=mask)[:, 0]


class Model(nn.Module):
    """`noise`: a share of the logits' spread that differs with the number of rows and tokens, as rounding does."""

    def __init__(self, noise: float = 0.0, first_rows_only: bool = False) -> None:
        super().__init__()
        mx.random.seed(3)
        self.embed, self.attention, self.head = nn.Embedding(VOCAB, DIM), Attention(), nn.Linear(DIM, VOCAB)
        self.embed.weight = mx.random.normal((VOCAB, DIM))
        self._noise, self._first = noise, first_rows_only
        self.sliding_window = 4096

    @property
    def layers(self) -> Sequence[nn.Module]:
        return [self.attention]

    def __call__(self, tokens: mx.array, cache: Sequence[Any]) -> mx.array:
        x = self.embed(tokens)
        x = x + self.attention(x, cache[0])
        logits = self.head(x) * 4
        if self._noise:
            mx.random.seed(tokens.size)
            logits = logits + self._noise * mx.std(logits) * mx.random.normal(logits.shape)
        if self._first and tokens.shape[0] > 1:
            logits = mx.broadcast_to(logits[:1], logits.shape)
        return logits


class Broken(TextForward):
    """Fails with more rows than one."""

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        if tokens.shape[0] > 1:
            raise KeyError("a batch")
        return super().decode(tokens, caches, rows)


class Dead(TextForward):
    """Fails always."""

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        raise ValueError("no decode")


def sharing(forward: TextForward) -> Any:
    return find_sharing(forward, Layers(forward.make_cache, forward.kv_type), VOCAB)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01])
def test_rounding_is_let_pass(noise: float) -> None:
    found = sharing(TextForward(Model(noise)))
    assert {Way.CHUNKS, Way.BATCH, Way.PREFILL} <= found.ways, found.refusals


def test_other_logits_are_not() -> None:
    found = sharing(TextForward(Model(first_rows_only=True)))
    assert found.names == ("chunked prefill",)
    assert all("logits differ" in reason for reason in found.refusals)


def test_what_raises_is_not_used_and_named() -> None:
    found = sharing(Broken(Model()))
    assert found.names == ("chunked prefill",)
    assert found.refusals[0] == "batch: KeyError: 'a batch'"


def test_a_model_that_fails_alone_is_left_to_its_requests() -> None:
    found = sharing(Dead(Model()))
    assert found.names == ()
    assert "a row alone can't be run: ValueError: no decode" in found.refusals[0]


def test_thresholds_are_as_before() -> None:
    model = Model()
    sharing(TextForward(model))
    assert model.sliding_window == 4096
