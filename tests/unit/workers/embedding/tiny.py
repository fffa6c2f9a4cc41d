"""Tiny models with random weights and the true architectures, in the files that real ones have."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HIDDEN = 32
CONTEXT = 256
WORDS = [f"w{index}" for index in range(60)]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "yes", "no")
VOCAB = len(SPECIAL) + len(WORDS)

_BASE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
}
_DECODER = {"num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {},
    "xlm_roberta": {"pad_token_id": 1, "max_position_embeddings": CONTEXT + 2},
    "modernbert": {"architectures": ["ModernBertModel"], "local_attention": 16, "classifier_pooling": "mean"},
    "qwen3": _DECODER | {"eos_token_id": 3, "tie_word_embeddings": True},
    "gemma3_text": _DECODER | {"sliding_window": 16, "sliding_window_pattern": 3, "query_pre_attn_scalar": 8},
    "llama_bidirec": _DECODER,
}


def build(family: str, folder: Path, *, model: Any = None, args: Any = None, prefix: str = "", **changes: Any) -> Path:
    """Writes a model into `folder`; `prefix` goes before its encoder's weights, `changes` replace keys of its config.

    `model` (given its arguments) and `args` stand for mlx-embeddings' classes of the family.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _BASE | CONFIGS[family] | {"model_type": family.replace("xlm_", "xlm-")} | changes
    module = importlib.import_module(f"mlx_embeddings.models.{family}")
    made = (model or module.Model)((args or module.ModelArgs).from_dict(config))
    mx.random.seed(11)
    leaves: Any = tree_flatten(made.parameters())
    weights = {_named(name, prefix): _drawn(name, weight) for name, weight in leaves}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder, pair_types=family == "bert", closing=family != "qwen3")
    return folder


def _named(name: str, prefix: str) -> str:
    head = name.startswith(("classifier", "head", "lm_head"))
    return name if head or not prefix else f"{prefix}.{name}"


def _drawn(name: str, weight: mx.array) -> mx.array:
    """Wide enough for a wrong mask to show."""
    if weight.ndim < 2:
        return weight if "norm" in name.lower() else mx.random.normal(weight.shape, scale=0.3)
    return mx.random.normal(weight.shape, scale=1.0 if "embed" in name else 2.0 / math.sqrt(weight.shape[-1]))


def write_tokenizer(folder: Path, *, pair_types: bool = True, closing: bool = True) -> None:
    """One token a word; `[CLS] text [SEP]` where `closing`, as an encoder's tokenizer does it."""
    vocab = {token: index for index, token in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if closing:
        second = "$B:1 [SEP]:1" if pair_types else "$B:0 [SEP]:0"
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair=f"[CLS] $A [SEP] {second}", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": CONTEXT}))


def sentence(length: int, seed: int = 0) -> str:
    """A text of `length` words."""
    return " ".join(WORDS[(7 * index + 13 * seed) % len(WORDS)] for index in range(length))
