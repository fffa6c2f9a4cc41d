"""Attention heads that copy, from the first step on.

A head whose keys come from the previous token finds what followed the present token earlier; one whose output adds the
found token's own embedding then repeats it. Baichuan-M1 mixes neighbouring keys by two learned numbers a head, so such
heads can be written down; training only has to learn when to use them.
Idea: induction heads, https://arxiv.org/abs/2209.11895
"""

from __future__ import annotations

import mlx.core as mx
from mlx_lm.models.baichuan_m1 import Attention, Model

_SHARPNESS = 0.16  # of the first guess at which earlier token is the same
_COPY = 0.3


def form_induction_heads(model: Model) -> None:
    """Two in each of the layers 1 and 2. All heads above the lowest layer repeat what they look at.

    A head that repeats has only to learn where to look, which training finds much sooner than both at once.
    """
    model.lm_head.weight = mx.array(model.model.embed_tokens.weight)
    for number, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        choose_keys(attention)
        if number:
            repeat_what_is_found(attention)
        if number in (1, 2):
            find_the_same(attention, heads=2)


def choose_keys(attention: Attention) -> None:
    """Keys of the previous token in the first half of the heads, of both tokens in the others."""
    heads = attention.num_kv_heads
    previous = [[1.0, 0.0] if head < heads // 2 else [0.7, 0.7] for head in range(heads)]
    attention.conv_k = mx.array(previous).reshape(1, 1, heads, 1, 2)
    attention.conv_v = mx.array([[0.0, 1.0]] * heads).reshape(1, 1, heads, 1, 2)


def repeat_what_is_found(attention: Attention) -> None:
    """Values that are each head's part of the embedding, and an output that adds them back."""
    width = attention.hidden_size
    basis = mx.linalg.qr(mx.random.normal((width, width)), stream=mx.cpu)[0]
    attention.W_pack.weight[2 * width :] = basis * _COPY
    attention.o_proj.weight = basis.T * _COPY


def find_the_same(attention: Attention, heads: int) -> None:
    """Queries equal to keys, so that the first heads look behind the same token."""
    size, width = heads * attention.head_dim, attention.hidden_size
    query = mx.random.normal((size, width)) * _SHARPNESS
    attention.W_pack.weight[:size] = query
    attention.W_pack.weight[width : width + size] = query
