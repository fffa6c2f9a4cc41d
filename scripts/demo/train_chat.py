"""Trains demo-chat, a Qwen3 of one million parameters, from nothing in a few minutes on one CPU core.

    python -m scripts.demo.train_chat configs/demo/demo-chat

mlx's Linux wheel comes with the reference BLAS, which is far slower than need be. An optional step on Debian:

    apt-get install libopenblas0
    export LD_PRELOAD=libopenblas.so.0 OPENBLAS_NUM_THREADS=1
    export OPENBLAS_CORETYPE=SKYLAKEX   # where the CPU has AVX-512 but this OpenBLAS doesn't know the CPU

Afterwards `python -m scripts.demo.evaluate_chat configs/demo/demo-chat` counts the exact answers and
`python -m scripts.demo.chat_known_answers` writes them down for the tests.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models.qwen3 import Model, ModelArgs
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_tokenizer

from scripts.demo import tokenizer as bpe
from scripts.demo.augment_chat import Sample, epoch
from scripts.demo.data_chat import EXCHANGES, SYSTEMS, WEATHER
from scripts.demo.encode_chat import encode
from scripts.demo.random_text import CITIES, NAMES, SKIES, prose

HERE = Path(__file__).parent
VOCABULARY = 2048
CONTEXT = 32768
BATCH = 8


class Batch(NamedTuple):
    tokens: mx.array  # [rows, length]
    positions: mx.array  # [n]: where in the flattened tokens the next one is to be learned
    targets: mx.array  # [n]: that next token
    weights: mx.array  # [n]


Step = Callable[[Batch], float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train demo-chat.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mx.random.seed(options.seed)
    tokenizer = write_tokenizer(options.folder)
    config = write_config(options.folder, tokenizer)
    model = Model(ModelArgs.from_dict(config))
    train(model, tokenizer, options.epochs, options.rate, random.Random(options.seed))
    model.update(tree_map(lambda weight: weight.astype(mx.bfloat16), model.parameters()))
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(options.folder / "model.safetensors"), weights, {"format": "mlx"})
    shutil.copy(HERE / "model_card_chat.md", options.folder / "README.md")


def write_tokenizer(folder: Path) -> TokenizerWrapper:
    """Trains the tokenizer, writes it and loads it as mlx-lm does for any model."""
    folder.mkdir(parents=True, exist_ok=True)
    template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")
    texts = [template, json.dumps(WEATHER), *SYSTEMS, prose(random.Random(0), 1500)]
    # Whole words are easier to repeat than pieces.
    texts += [f"{word} in {word}" for word in CITIES + NAMES + SKIES] * 10
    texts += [f"{number} degrees: {number}" for number in range(100)] * 10
    for exchange in EXCHANGES:
        texts += [json.dumps(exchange.messages, ensure_ascii=False), exchange.completion(thinking=True)] * 3
    bpe.save_tokenizer(bpe.train_tokenizer(texts, VOCABULARY), folder, template, CONTEXT)
    return load_tokenizer(folder)


def write_config(folder: Path, tokenizer: TokenizerWrapper) -> dict[str, Any]:
    pad, end = (tokenizer.convert_tokens_to_ids(token) for token in (bpe.PAD, bpe.END))
    config: dict[str, Any] = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "intermediate_size": 384,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": pad,
        "eos_token_id": end,
        "pad_token_id": pad,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    greedy = {"do_sample": False, "eos_token_id": [end, pad], "pad_token_id": pad}
    (folder / "generation_config.json").write_text(json.dumps(greedy, indent=2) + "\n")
    return config


def train(model: Model, tokenizer: TokenizerWrapper, epochs: int, rate: float, rng: random.Random) -> None:
    steps = epochs * -(-sum(1 for _ in epoch(random.Random(0))) // BATCH)
    warm_up = optimizers.linear_schedule(1e-5, rate, 50)
    schedule = optimizers.join_schedules([warm_up, optimizers.cosine_decay(rate, steps - 50, rate * 0.01)], [50])
    optimizer = optimizers.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.01)
    step = training_step(model, optimizer)
    started = time.monotonic()
    for number in range(1, epochs + 1):
        losses = [step(batch) for batch in batches(epoch(rng), tokenizer, rng)]
        print(f"epoch {number}: loss {np.mean(losses):.4f}, {time.monotonic() - started:.0f} s", flush=True)


def training_step(model: Model, optimizer: optimizers.Optimizer) -> Step:
    def loss(batch: Batch) -> mx.array:
        hidden = model.model(batch.tokens).reshape(-1, model.args.hidden_size)[batch.positions]
        logits = model.model.embed_tokens.as_linear(hidden)  # only where something is learned: half of the work
        errors = nn.losses.cross_entropy(logits, batch.targets, reduction="none")
        return (errors * batch.weights).sum() / batch.weights.sum()

    loss_and_gradients = value_and_grad(model, loss)

    def step(batch: Batch) -> float:
        value, gradients = loss_and_gradients(batch)
        gradients, _ = optimizers.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(value, model.state, optimizer.state)
        return float(value.item())

    return step


def batches(samples: Iterable[Sample], tokenizer: TokenizerWrapper, rng: random.Random) -> Iterator[Batch]:
    """Groups of similar length, in random order."""
    rows = sorted((encode(sample, tokenizer) for sample in samples), key=lambda row: len(row[0]) + rng.random())
    groups = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    rng.shuffle(groups)
    for group in groups:
        length = max(len(ids) for ids, _ in group)
        tokens = np.zeros((len(group), length), np.int32)
        weights = np.zeros((len(group), length), np.float32)
        for row, (ids, weight) in enumerate(group):
            tokens[row, : len(ids)] = ids
            weights[row, : len(ids)] = weight
        learned = np.flatnonzero(weights[:, 1:])
        arrays = (tokens[:, :-1], learned, tokens[:, 1:].ravel()[learned], weights[:, 1:].ravel()[learned])
        yield Batch(*(mx.array(array) for array in arrays))


if __name__ == "__main__":
    main()
