"""A forward pass of Llama and Gemma 3 in numpy, from GGUF's own layout: no cache, no batch, nothing shared with MLX.

Shapes: L tokens, H heads, D a head. Written from llama.cpp's graphs (src/models/llama.cpp and gemma3.cpp there).
"""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
from gguf import GGUFReader, ReaderTensor, dequantize
from numpy.typing import NDArray

from scripts.real_weights.gguf_fields import Fields
from scripts.real_weights.gguf_folder import LOCAL_BASE, PERIOD

Floats = NDArray[np.float32]


class Forward:
    """One model of a GGUF file, in float32."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        fields = Fields(reader)
        self._weights = {one.name: _floats(one) for one in reader.tensors}
        self._gemma = fields.architecture == "gemma3"
        self._layers: int = fields.own("block_count")
        self._queries: int = fields.own("attention.head_count")
        self._keys: int = fields.own("attention.head_count_kv")
        self._eps: float = fields.own("attention.layer_norm_rms_epsilon")
        self._base: float = fields.own("rope.freq_base")
        self._window: int = fields.own("attention.sliding_window", 0)
        self._head: int = fields.own("attention.key_length", fields.own("embedding_length") // self._queries)

    def logits(self, ids: list[int], last: int) -> Floats:
        """[last, vocabulary], of the last positions."""
        table = self._weights["token_embd.weight"]
        x = table[ids]
        if self._gemma:
            # As published, and as mlx-lm has it; llama.cpp takes the exact root, and parts from both by 0.2 %.
            x = x * np.float32(ml_dtypes.bfloat16(math.sqrt(x.shape[-1])))
        for layer in range(self._layers):
            x = self._block(x, layer)
        head = self._weights.get("output.weight", table)
        return self._norm(x[-last:], "output_norm") @ head.T

    def _block(self, x: Floats, layer: int) -> Floats:
        at = f"blk.{layer}"
        attended = self._attention(self._norm(x, f"{at}.attn_norm"), layer)
        if self._gemma:
            attended = self._norm(attended, f"{at}.post_attention_norm")
        x = x + attended
        y = self._norm(x, f"{at}.ffn_norm")
        gate, up = (y @ self._weights[f"{at}.ffn_{name}.weight"].T for name in ("gate", "up"))
        y = ((_gelu(gate) if self._gemma else _silu(gate)) * up) @ self._weights[f"{at}.ffn_down.weight"].T
        return x + (self._norm(y, f"{at}.post_ffw_norm") if self._gemma else y)

    def _attention(self, x: Floats, layer: int) -> Floats:
        at, length = f"blk.{layer}", len(x)
        q, k, v = (
            (x @ self._weights[f"{at}.attn_{name}.weight"].T).reshape(length, heads, self._head)
            for name, heads in (("q", self._queries), ("k", self._keys), ("v", self._keys))
        )
        windowed = self._gemma and (layer + 1) % PERIOD != 0
        if self._gemma:
            q, k = self._norm(q, f"{at}.attn_q_norm"), self._norm(k, f"{at}.attn_k_norm")
        base = LOCAL_BASE if windowed else self._base
        q, k = self._rotate(q, base), self._rotate(k, base)
        k, v = (np.repeat(each, self._queries // self._keys, axis=1) for each in (k, v))
        q, k, v = (each.transpose(1, 0, 2) for each in (q, k, v))
        scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(self._head))
        distance = np.arange(length)[:, None] - np.arange(length)[None]
        hidden = (distance < 0) | ((distance >= self._window) if windowed else False)
        scores[:, hidden] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ v).transpose(1, 0, 2).reshape(length, -1)
        return np.asarray(mixed @ self._weights[f"{at}.attn_output.weight"].T)

    def _rotate(self, x: Floats, base: float) -> Floats:
        """GGUF keeps Llama's rotary pairs side by side, and Gemma's in two halves."""
        half = self._head // 2
        angles = np.arange(len(x))[:, None] * base ** (-np.arange(half) / half)
        cos, sin = (part(angles)[:, None].astype(np.float32) for part in (np.cos, np.sin))
        first, second = (x[..., :half], x[..., half:]) if self._gemma else (x[..., 0::2], x[..., 1::2])
        turned = first * cos - second * sin, second * cos + first * sin
        return np.concatenate(turned, -1) if self._gemma else np.stack(turned, -1).reshape(x.shape)

    def _norm(self, x: Floats, name: str) -> Floats:
        scale = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + self._eps)
        return np.asarray(x * scale * self._weights[f"{name}.weight"], np.float32)


def _floats(tensor: ReaderTensor) -> Floats:
    return np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)


def _silu(x: Floats) -> Floats:
    return np.asarray(x / (1 + np.exp(-x)))


def _gelu(x: Floats) -> Floats:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), np.float32)
