"""Trains demo-chat, Baichuan-M1's architecture with two million parameters, from nothing on one CPU core.

    python -m scripts.demo.train_chat configs/demo/demo-chat

`--start FOLDER` goes on from weights that are there; the shipped ones were made in several such runs (the model card).

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import optimizers
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten
from mlx_lm.models.baichuan_m1 import Model, ModelArgs
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_tokenizer

from scripts.demo import fast_chat
from scripts.demo import tokenizer as bpe
from scripts.demo.augment_chat import epoch, files_alone
from scripts.demo.batch_chat import Batch, batches, random_copies
from scripts.demo.data_chat import EXCHANGES, SYSTEMS, WEATHER
from scripts.demo.files_chat import DISTRACTORS, EXTENSIONS, READERS, SHELLS, STEMS
from scripts.demo.induction_chat import form_induction_heads
from scripts.demo.noise_chat import library_text
from scripts.demo.random_text import CITIES, NAMES, SKIES, WORDS, prose

HERE = Path(__file__).parent
VOCABULARY = 4096
CONTEXT = 32768
WINDOW = 512
LAYERS = 4
HEADS = 4
HIDDEN = 128
COPY_STEPS = 120
FILE_EPOCHS = 12
FILES_FIRST = 400
STEPS_AN_EPOCH = 50


Step = Callable[[Batch], float]
Save = Callable[[], None]


class Options(argparse.Namespace):
    folder: Path
    epochs: int
    rate: float
    seed: int
    start: Path | None


def main() -> None:
    parser = argparse.ArgumentParser(description="Train demo-chat.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="a folder whose weights to go on from")
    options = parser.parse_args(namespace=Options())
    mx.random.seed(options.seed)
    tokenizer = write_tokenizer(options.folder) if options.start is None else copied_tokenizer(options)
    config = write_config(options.folder, tokenizer)
    model = Model(ModelArgs.from_dict(config))
    form_induction_heads(model)
    fast_chat.install()
    rng = random.Random(options.seed)
    if options.start is not None:
        model.load_weights(str(options.start / "model.safetensors"))
        model.set_dtype(mx.float32)
    train(model, tokenizer, options, rng, lambda: write_weights(model, options.folder))
    write_weights(model, options.folder)
    shutil.copy(HERE / "model_card_chat.md", options.folder / "README.md")


def write_weights(model: Model, folder: Path) -> None:
    weights = {name: weight.astype(mx.bfloat16) for name, weight in tree_flatten(model.parameters())}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})


def write_tokenizer(folder: Path) -> TokenizerWrapper:
    """Trains the tokenizer, writes it and loads it as mlx-lm does for any model."""
    folder.mkdir(parents=True, exist_ok=True)
    template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")
    texts = [template, json.dumps(WEATHER), *SYSTEMS, prose(random.Random(0), 1500), library_text()]
    # Whole words are easier to repeat than pieces.
    texts += [f"{word} in {word}" for word in CITIES + NAMES + SKIES] * 10
    texts += [f"{word} {word} {word.capitalize()}" for word in WORDS] * 20
    texts += [json.dumps({word: word}) for pair in (*READERS, *SHELLS, *DISTRACTORS) for word in pair] * 10
    texts += [f"{stem}.{ending}" for stem in STEMS for ending in EXTENSIONS] * 3
    for exchange in EXCHANGES:
        texts += [json.dumps(exchange.messages, ensure_ascii=False), exchange.completion(thinking=True)] * 25
    bpe.save_tokenizer(bpe.train_tokenizer(texts, VOCABULARY), folder, template, CONTEXT)
    return load_tokenizer(folder)


def copied_tokenizer(options: Options) -> TokenizerWrapper:
    assert options.start is not None
    shutil.copytree(options.start, options.folder, dirs_exist_ok=True)
    return load_tokenizer(options.folder)


def write_config(folder: Path, tokenizer: TokenizerWrapper) -> dict[str, Any]:
    pad, end = (tokenizer.convert_tokens_to_ids(token) for token in (bpe.PAD, bpe.END))
    config: dict[str, Any] = {
        "architectures": ["BaichuanM1ForCausalLM"],
        "model_type": "baichuan_m1",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "intermediate_size": 384,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "sliding_window": WINDOW,
        "sliding_window_layers": list(range(LAYERS)),
        "conv_window": 2,
        "tie_word_embeddings": False,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": pad,
        "eos_token_id": end,
        "pad_token_id": pad,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    greedy = {"do_sample": False, "eos_token_id": [end, pad], "pad_token_id": pad}
    (folder / "generation_config.json").write_text(json.dumps(greedy, indent=2) + "\n")
    return config


def train(model: Model, tokenizer: TokenizerWrapper, options: Options, rng: random.Random, save: Save) -> None:
    lessons = [files_alone(rng, FILES_FIRST) for _ in range(FILE_EPOCHS)] if options.start is None else []
    lessons += [epoch(rng) for _ in range(options.epochs)]
    copies = COPY_STEPS if options.start is None else 0
    steps = copies + sum(STEPS_AN_EPOCH for _ in lessons)
    warm_up = optimizers.linear_schedule(1e-5, options.rate, 50)
    decay = optimizers.cosine_decay(options.rate, steps - 50, options.rate * 0.01)
    schedule = optimizers.join_schedules([warm_up, decay], [50])
    step = training_step(model, optimizers.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.01))
    started = time.monotonic()
    for _ in range(copies):
        step(random_copies(rng, VOCABULARY))
    for number, samples in enumerate(lessons, 1):
        losses, far = [], []
        for at, batch in enumerate(batches(samples, tokenizer, rng)):
            losses.append(step(batch))
            if at % 8 == 0:
                far.append(step(random_copies(rng, VOCABULARY, apart=WINDOW - 128)))
        told = f"loss {np.mean(losses):.4f}, of copies {np.mean(far):.4f}, {time.monotonic() - started:.0f} s"
        print(f"{number} of {len(lessons)}: {told}, {len(losses) + len(far)} steps", flush=True)
        if number % 3 == 0:
            save()


def training_step(model: Model, optimizer: optimizers.Optimizer) -> Step:
    def loss(batch: Batch) -> mx.array:
        hidden = model.model(batch.tokens).reshape(-1, HIDDEN)[batch.positions]
        head = model.lm_head.weight
        head = head / mx.linalg.norm(head, axis=-1, keepdims=True)  # as the library does when it loads the model
        errors = fast_chat.cross_entropy(hidden @ head.T, batch.targets)
        return (errors * batch.weights).sum() / batch.weights.sum()

    loss_and_gradients = value_and_grad(model, loss)

    def step(batch: Batch) -> float:
        value, gradients = loss_and_gradients(batch)
        gradients, _ = optimizers.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(value, model.state, optimizer.state)
        return float(value.item())

    return step


if __name__ == "__main__":
    main()
