"""Tiny model folders of real mlx-lm architectures with seeded random weights, made when a test needs them.

Weights are drawn wide enough that greedy answers vary from token to token. The tokenizer is byte-level: every character
of a prompt costs one token a byte, and every id decodes to something. Import this below `tests/conftest.py`, which sets
MLX up for tests.
"""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

VOCAB = 512
CONTEXT = 8192
WINDOW = 16  # of the families with sliding windows: short, so that every test runs past it

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
TEMPLATE = (
    "{% for tool in tools or [] %}<|im_start|>tool {{ tool | tojson }}<|im_end|>\n{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for tool_call in m.tool_calls or [] %}<tool_call>{{ tool_call.name }}</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_BASE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCAB,
    "max_position_embeddings": CONTEXT,
    "rope_theta": 1e4,
    "tie_word_embeddings": False,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "llama": {},
    "gemma3_text": {
        "num_hidden_layers": 4,
        "query_pre_attn_scalar": 16,
        "sliding_window": WINDOW,
        "sliding_window_pattern": 2,
    },
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
    },
    "qwen3_next": {
        "num_hidden_layers": 4,
        "linear_num_value_heads": 2,
        "linear_num_key_heads": 1,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "num_experts": 0,
        "num_experts_per_tok": 1,
        "decoder_sparse_step": 1,
        "shared_expert_intermediate_size": 32,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "partial_rotary_factor": 0.5,
        "full_attention_interval": 4,
    },
    "mamba2": {
        "num_heads": 8,
        "state_size": 16,
        "layer_norm_epsilon": 1e-5,
        "conv_kernel": 4,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "time_step_limit": [0.0, 1000.0],
        "time_step_rank": "auto",
    },
    "deepseek_v3": {
        "num_key_value_heads": 4,
        "moe_intermediate_size": 32,
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "kv_lora_rank": 24,
        "q_lora_rank": 32,
        "qk_rope_head_dim": 8,
        "v_head_dim": 16,
        "qk_nope_head_dim": 16,
        "first_k_dense_replace": 1,
    },
    "gpt_oss": {
        "num_hidden_layers": 4,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_theta": 150000,
    },
    "gpt_bigcode": {
        "n_embd": 64,
        "n_layer": 3,
        "n_inner": 96,
        "n_head": 4,
        "n_positions": CONTEXT,
        "layer_norm_epsilon": 1e-5,
    },
    "llama4": {},
    "mamba": {"state_size": 8, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True, "time_step_rank": 4},
}
CONFIGS["llama4"]["text_config"] = _BASE | {
    "num_hidden_layers": 4,
    "model_type": "llama4_text",
    "attention_bias": False,
    "attention_chunk_size": 64,
    "interleave_moe_layer_step": 2,
    "intermediate_size_mlp": 96,
    "num_experts_per_tok": 1,
    "num_local_experts": 2,
    "rope_scaling": None,
    "use_qk_norm": True,
}


def build(family: str, folder: Path, *, gain: float = 2.0, **changes: Any) -> Path:
    """Writes a model of `family` into `folder`; `changes` replace keys of its config."""
    folder.mkdir(parents=True, exist_ok=True)
    config = _BASE | CONFIGS[family] | {"model_type": family} | changes
    module = importlib.import_module(f"mlx_lm.models.{family}")
    model = module.Model(module.ModelArgs.from_dict(config))
    mx.random.seed(7)
    weights = {name: _drawn(name, weight, gain) for name, weight in tree_flatten(model.parameters())}
    model.update(tree_unflatten(list(weights.items())))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": write_tokenizer(folder)}))
    return folder


def _drawn(name: str, weight: mx.array, gain: float) -> mx.array:
    """Matrices anew, wider than a model is initialised; vectors (norms, biases, decays) as they are."""
    if weight.ndim < 2 or "A_log" in name:
        return weight
    scale = 1.0 if "embed" in name or "wte" in name else gain / math.sqrt(weight.shape[-1])
    return mx.random.normal(weight.shape, scale=scale)


def byte_level_tokenizer(vocab_size: int = VOCAB) -> Tokenizer:
    """Bytes, filler words that no text encodes to, then the markers."""
    vocab = {character: index for index, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    while len(vocab) < vocab_size - len(SPECIAL) - len(MARKERS):
        vocab[f"Ġw{len(vocab)}"] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens([AddedToken(marker, special=False, normalized=False) for marker in MARKERS])
    return tokenizer


def sentencepiece_tokenizer(words: list[str]) -> Tokenizer:
    """Unigrams with byte fallback, as Llama 2 and Mistral have: a leading space is part of the first word."""
    vocab = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)], "▁", *words]
    tokenizer = Tokenizer(
        models.BPE(vocab={word: i for i, word in enumerate(vocab)}, merges=[], unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def write_tokenizer(folder: Path, tokenizer: Tokenizer | None = None, template: str | None = TEMPLATE) -> int:
    """Writes the tokenizer's files; returns the id that ends an answer."""
    tokenizer = tokenizer or byte_level_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    end = "<|im_end|>" if tokenizer.token_to_id("<|im_end|>") is not None else "</s>"
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": end,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
    }
    if template is not None:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return int(tokenizer.token_to_id(end))
