"""A GGUF's tensors under the names of mlx-lm: written out in float32, or carried over bit by bit into MLX's packing.

Formats: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; block_q4_1 and block_q8_0 in its ggml-common.h.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, dequantize

from scripts.real_weights.folder import Array

GROUP = 32  # weights that share a scale in Q4_1 and Q8_0
_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_GEMMA = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


@dataclass(frozen=True, slots=True)
class Heads:
    """Of queries, and of keys and values."""

    queries: int
    keys: int


@dataclass(frozen=True, slots=True)
class Converted:
    """`bits` a quantised layer, for config.json; empty where everything is float32."""

    arrays: dict[str, Array] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)


def convert(reader: GGUFReader, architecture: str, heads: Heads, keep: bool) -> Converted:
    """`keep`: leave Q4_1 and Q8_0 quantised. Knows the architectures `llama` and `gemma3`."""
    found = Converted()
    for tensor in reader.tensors:
        name = rename(tensor.name, architecture)
        turned = _turned(name, heads) if architecture == "llama" else 0
        if keep and tensor.tensor_type in _PACKERS:
            base = name.removesuffix(".weight")
            words, scales, biases, found.bits[base] = pack(tensor.data, tensor.tensor_type)
            for part, packed in (("weight", words), ("scales", scales), ("biases", biases)):
                found.arrays[f"{base}.{part}"] = unpermute(packed, turned)
            continue
        array = unpermute(dequantize(tensor.data, tensor.tensor_type).astype(np.float32), turned)
        # llama.cpp stores Gemma's 1 + w.
        found.arrays[name] = array - 1 if architecture == "gemma3" and name.endswith("norm.weight") else array
    return found


def rename(name: str, architecture: str) -> str:
    names = _NAMES | _GEMMA if architecture == "gemma3" else _NAMES
    stem, suffix = name.rsplit(".", 1)
    if match := re.fullmatch(r"blk\.(\d+)\.(.*)", stem):
        return f"model.layers.{match[1]}.{names[match[2]]}.{suffix}"
    return f"{names[stem]}.{suffix}"


def _turned(name: str, heads: Heads) -> int:
    return heads.queries if ".q_proj." in name else heads.keys if ".k_proj." in name else 0


def unpermute(rows: Array, heads: int) -> Array:
    """[rows, any]. llama.cpp interleaves the halves of a head's rotary pairs; MLX doesn't. `heads` 0: as they are."""
    if not heads:
        return rows
    pairs = rows.shape[0] // heads // 2
    return rows.reshape(heads, pairs, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def pack(data: Array, kind: GGMLQuantizationType) -> tuple[Array, Array, Array, int]:
    """[rows, bytes] of blocks to MLX's packed words [rows, words], scales and biases [rows, groups], and bits."""
    return _PACKERS[kind](data)


def _pack_q4_1(data: Array) -> tuple[Array, Array, Array, int]:
    """d * q + m is MLX's scale * q + bias. The low nibbles are a block's first half."""
    blocks = data.reshape(data.shape[0], -1, 20)
    nibbles = np.concatenate([blocks[..., 4:] & 15, blocks[..., 4:] >> 4], axis=-1)
    shifts = 4 * np.arange(8, dtype=np.uint32)
    words = (nibbles.reshape(data.shape[0], -1, 8).astype(np.uint32) << shifts).sum(-1, dtype=np.uint32)
    return words, _halves(blocks, 0), _halves(blocks, 2), 4


def _pack_q8_0(data: Array) -> tuple[Array, Array, Array, int]:
    """d * q with a signed q is d * (q + 128) - 128 * d."""
    blocks = data.reshape(data.shape[0], -1, 34)
    signed = np.ascontiguousarray(blocks[..., 2:]).view(np.int8).astype(np.int16)
    words = (signed + 128).astype(np.uint8).reshape(data.shape[0], -1).view(np.uint32)
    scales = _halves(blocks, 0)
    return words, scales, -128 * scales, 8


def _halves(blocks: Array, at: int) -> Array:
    """The float16 at a byte of each block."""
    return np.ascontiguousarray(blocks[..., at : at + 2]).view(np.float16)[..., 0].astype(np.float32)


_PACKERS = {GGMLQuantizationType.Q4_1: _pack_q4_1, GGMLQuantizationType.Q8_0: _pack_q8_0}
