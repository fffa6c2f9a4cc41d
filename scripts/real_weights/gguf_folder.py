"""A GGUF of a Llama or Gemma 3 to a folder that mlx-lm loads: weights, config, tokenizer, chat template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFReader

from scripts.real_weights.folder import save_json, save_weights
from scripts.real_weights.gguf_fields import Fields
from scripts.real_weights.gguf_tokenizer import make_tokenizer
from scripts.real_weights.gguf_weights import GROUP, Heads, convert

LOCAL_BASE = 10000.0  # Gemma 3's rotary base in windowed layers; GGUF doesn't state it
PERIOD = 6  # every sixth layer of Gemma 3 attends to everything


def convert_gguf(path: Path, folder: Path, *, keep_quantised: bool = False) -> None:
    """`keep_quantised`: Q4_1 and Q8_0 stay as they are, bit by bit; otherwise everything becomes float32."""
    reader = GGUFReader(path)
    fields = Fields(reader)
    heads = Heads(fields.own("attention.head_count"), fields.own("attention.head_count_kv"))
    converted = convert(reader, fields.architecture, heads, keep_quantised)
    config = _config(fields, heads, tied="lm_head.weight" not in converted.arrays)
    if converted.bits:
        layers = {name: {"group_size": GROUP, "bits": bits} for name, bits in converted.bits.items()}
        config["quantization"] = {"group_size": GROUP, "bits": min(converted.bits.values())} | layers
    save_weights(folder / "model.safetensors", converted.arrays)
    save_json(folder / "config.json", config)
    make_tokenizer(fields).save(str(folder / "tokenizer.json"))
    save_json(folder / "tokenizer_config.json", _about_tokens(fields, config))


def _config(fields: Fields, heads: Heads, *, tied: bool) -> dict[str, Any]:
    hidden = fields.own("embedding_length")
    head = fields.own("attention.key_length", hidden // heads.queries)
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": fields.own("block_count"),
        "num_attention_heads": heads.queries,
        "num_key_value_heads": heads.keys,
        "head_dim": head,
        "intermediate_size": fields.own("feed_forward_length"),
        "rms_norm_eps": fields.own("attention.layer_norm_rms_epsilon"),
        "rope_theta": fields.own("rope.freq_base"),
        "max_position_embeddings": fields.own("context_length"),
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": tied,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
        "torch_dtype": "float32",
    }
    if fields.architecture == "gemma3":
        return config | _gemma(fields, head, config["num_hidden_layers"])
    return config | {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu"}


def _gemma(fields: Fields, head: int, layers: int) -> dict[str, Any]:
    return {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "query_pre_attn_scalar": head,
        "sliding_window": fields.own("attention.sliding_window"),
        "sliding_window_pattern": PERIOD,
        "rope_local_base_freq": LOCAL_BASE,
        "rope_scaling": None,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["sliding_attention" if (layer + 1) % PERIOD else "full_attention" for layer in range(layers)],
    }


def _about_tokens(fields: Fields, config: Mapping[str, Any]) -> dict[str, Any]:
    tokens = fields["tokenizer.ggml.tokens"]
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        **{f"{name}_token": tokens[config[f"{name}_token_id"]] for name in ("bos", "eos", "pad")},
    }
    template = fields.get("tokenizer.chat_template")
    return about | ({"chat_template": template} if template else {})
