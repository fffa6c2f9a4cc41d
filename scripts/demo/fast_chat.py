"""Attention and activations for training on a CPU, where MLX's exponential is the slowest part by far.

2 to the power of t is the bits of t's whole part as an exponent, times a polynomial of the rest: a few multiplications,
right to 1e-4. Training with these takes less than half of the time; the model runs with MLX's own afterwards.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx_lm.models import baichuan_m1

_LOG2_E = 1.4426950408889634
_POLYNOMIAL = (0.0013333558, 0.0096181291, 0.0555041087, 0.2402265070, 0.6931471806, 1.0)
_BOUND = 80.0
_MASKED = -1e4
_CACHED = 2**17  # scores at a time


def install() -> None:
    """Makes mlx-lm's model use them, in this process."""
    baichuan_m1.scaled_dot_product_attention = attention
    baichuan_m1.swiglu = swiglu


def exp(x: mx.array) -> mx.array:
    """e to the power of float32 `x`, which is cut at +-55."""
    power = mx.clip(x * _LOG2_E, -_BOUND, _BOUND)
    whole = mx.floor(power)
    rest = power - whole
    value = mx.array(_POLYNOMIAL[0])
    for factor in _POLYNOMIAL[1:]:
        value = value * rest + factor
    return value * ((whole.astype(mx.int32) + 127) << 23).view(mx.float32)


@mx.custom_function
def softmax(scores: mx.array) -> mx.array:
    powers = exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@softmax.vjp
def _softmax_vjp(scores: mx.array, cotangent: mx.array, weights: mx.array) -> mx.array:
    product = cotangent * weights
    return product - weights * product.sum(axis=-1, keepdims=True)


@mx.custom_function
def sigmoid(x: mx.array) -> mx.array:
    return 1.0 / (1.0 + exp(-x))


@sigmoid.vjp
def _sigmoid_vjp(x: mx.array, cotangent: mx.array, value: mx.array) -> mx.array:
    return cotangent * value * (1.0 - value)


@mx.custom_function
def log_sum_exp(logits: mx.array) -> mx.array:
    return mx.log(exp(logits).sum(axis=-1, keepdims=True))


@log_sum_exp.vjp
def _log_sum_exp_vjp(logits: mx.array, cotangent: mx.array, value: mx.array) -> mx.array:
    return cotangent * exp(logits - value)


def cross_entropy(logits: mx.array, targets: mx.array) -> mx.array:
    """Of float32 logits [n, vocabulary] below 55 and targets [n]."""
    return (log_sum_exp(logits) - mx.take_along_axis(logits, targets[:, None], axis=-1))[:, 0]


def swiglu(gate: mx.array, x: mx.array) -> mx.array:
    return gate * sigmoid(gate) * x


def attention(queries: mx.array, keys: mx.array, values: mx.array, *, scale: float, mask: Any, cache: Any) -> mx.array:
    """`mask` is "causal" or true where a query may look. No cache; as many heads of keys as of queries.

    A few queries at a time, against the keys that they may see: what is in between then stays in the CPU's cache.
    """
    rows, heads, length, _ = queries.shape
    if isinstance(mask, str):
        mask = mx.tri(length, dtype=mx.bool_)
    bias, queries, keys = mx.where(mask, 0.0, _MASKED), queries * scale, keys.swapaxes(-1, -2)
    block = max(16, _CACHED // (rows * heads * length))
    found = []
    for start in range(0, length, block):
        end = min(start + block, length)
        scores = queries[:, :, start:end] @ keys[..., :end] + bias[start:end, :end]
        found.append(softmax(scores) @ values[:, :, :end])
    return mx.concatenate(found, axis=2)
