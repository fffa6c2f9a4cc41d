"""Qwen2-VL's two towers over batches of equal pictures, for training.

mlx-vlm's vision tower runs picture by picture and duplicates a still picture in time; here a batch of pictures of one
size is one array, and the two halves of the patch kernel are added up for stills. Same weights, same numbers.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np

PATCH = 14
MERGE = 2
CELL = PATCH * MERGE
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # Qwen2-VL's own
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def patches(frames: np.ndarray) -> np.ndarray:
    """uint8 [n, times, height, width, 3] to [n, places, times * PATCH * PATCH * 3], places in the tower's order."""
    n, times, height, width, _ = frames.shape
    scaled = (frames.astype(np.float32) / 255 - MEAN) / STD
    cells = scaled.reshape(n, times, height // CELL, MERGE, PATCH, width // CELL, MERGE, PATCH, 3)
    return cells.transpose(0, 2, 5, 3, 6, 1, 4, 7, 8).reshape(n, -1, times * PATCH * PATCH * 3)


def see(tower: Any, cells: mx.array, height: int, width: int) -> mx.array:
    """Features [n, tokens, hidden] of `patches` of stills (one time) or of pairs of frames (two)."""
    kernel = tower.patch_embed.proj.weight  # [out, 2, PATCH, PATCH, 3]
    still = cells.shape[-1] == PATCH * PATCH * 3
    kernel = (kernel.sum(axis=1) if still else kernel).reshape(kernel.shape[0], -1)
    x = cells @ kernel.T
    cos, sin = _rotation(tower, height, width)
    for block in tower.blocks:
        x = x + _attend(block.attn, block.norm1(x), cos, sin)
        x = x + block.mlp(block.norm2(x))
    merger = tower.merger
    x = merger.ln_q(x).reshape(x.shape[0], -1, merger.hidden_size)
    for layer in merger.mlp:
        x = layer(x)
    return x


def read(language_model: Any, tokens: mx.array, positions: mx.array, features: mx.array | None, pad: int) -> mx.array:
    """Hidden states [rows, length, hidden]; `features` [rows, n, hidden] stand at the tokens `pad`, in order."""
    model = language_model.model
    x = model.embed_tokens(tokens)
    if features is not None:
        seen = tokens == pad
        index = mx.clip(mx.cumsum(seen.astype(mx.int32), axis=1) - 1, 0, features.shape[1] - 1)
        x = mx.where(seen[..., None], mx.take_along_axis(features, index[..., None], axis=1), x)
    hidden: mx.array = model(None, inputs_embeds=x, position_ids=positions)
    return hidden


def _attend(attention: Any, x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    n, places, width = x.shape
    qkv = attention.qkv(x).reshape(n, places, 3, attention.num_heads, -1).transpose(2, 0, 3, 1, 4)
    q, k = (_rotated(part, cos, sin) for part in (qkv[0], qkv[1]))
    mixed = mx.fast.scaled_dot_product_attention(q, k, qkv[2], scale=attention.scale)
    projected: mx.array = attention.proj(mixed.transpose(0, 2, 1, 3).reshape(n, places, width))
    return projected


def _rotated(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    half = x.shape[-1] // 2
    return x * cos + mx.concatenate([-x[..., half:], x[..., :half]], axis=-1) * sin


def _rotation(tower: Any, height: int, width: int) -> tuple[mx.array, mx.array]:
    angles = tower.rot_pos_emb(mx.array([[1, height // PATCH, width // PATCH]]))
    angles = mx.concatenate([angles, angles], axis=-1)
    return mx.cos(angles), mx.sin(angles)
