"""Trains demo-embed, a small BERT for sentence embeddings, from nothing in a few minutes on one CPU core.

    python -m scripts.demo.train_embed configs/demo/demo-embed

`scripts/demo/train_chat.py` says how to give MLX a faster BLAS on Linux. Contrastive: of a batch's sentences a sentence
has to find its paraphrase; sentences of its topic count as half-right. One paraphrase of every group of three is held
out, and at the end the script prints how many of those find their group and their topic.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from mlx import optimizers
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten
from mlx_embeddings.models.bert import Model, ModelArgs
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from scripts.demo.data_embed import FRAMES, PARAPHRASES, TOPICS

HERE = Path(__file__).parent
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTEXT = 256
GROUPS = 24  # groups of sentences in a batch, two sentences each
LONGEST = 48  # tokens of a training sample
SAME_TOPIC = 0.1  # weight of a sentence of the same topic, the paraphrase being 1
TEMPERATURE = 0.07


class Group(NamedTuple):
    """Sentences that mean the same, without the one that is held out."""

    topic: str
    sentences: tuple[str, ...]
    held_out: str | None


def groups() -> list[Group]:
    found = []
    for topic, lines in PARAPHRASES.items():
        for line in lines:
            keep = line[:1] + line[2:] if len(line) > 2 else line
            found.append(Group(topic, keep, line[1] if len(line) > 2 else None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Train demo-embed.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mx.random.seed(options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(options.folder)
    config = write_config(options.folder, tokenizer.get_vocab_size())
    model = Model(ModelArgs.from_dict(config))
    known = groups()
    train(model, tokenizer, known, options.steps, options.rate, random.Random(options.seed))
    model.eval()
    leaves: Any = tree_flatten(model.parameters())
    mx.save_safetensors(str(options.folder / "model.safetensors"), dict(leaves), metadata={"format": "mlx"})
    shutil.copy(HERE / "model_card_embed.md", options.folder / "README.md")
    report(model, tokenizer, known)


def write_tokenizer(folder: Path) -> Tokenizer:
    """An uncased WordPiece as BERT has it, trained on the sentences and with all topic words whole."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    letters = [chr(code) for code in range(32, 127)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=2600, special_tokens=list(SPECIAL), initial_alphabet=letters, show_progress=False
    )
    texts = [sentence for lines in PARAPHRASES.values() for line in lines for sentence in line]
    words = [word for topic in TOPICS.values() for word in topic.split()]
    tokenizer.train_from_iterator(texts * 3 + words * 20 + [w + "s" for w in words] * 2 + list(FRAMES) * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": CONTEXT, **names}
    _write(folder / "tokenizer_config.json", settings | {"mask_token": "[MASK]"})
    return tokenizer


def write_config(folder: Path, vocabulary: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 288,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": CONTEXT,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "torch_dtype": "float32",
    }
    _write(folder / "config.json", config)
    modules = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
        for index, (name, path) in enumerate(modules)
    ]
    _write(folder / "modules.json", listed)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": config["hidden_size"], "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    return config


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


# ------------------------------------------------------------------ samples
def pair(group: Group, rng: random.Random) -> tuple[str, str]:
    """Two sentences that mean the same, sometimes among others of their topic."""
    first, second = rng.sample(group.sentences, 2)
    return first, second


def word_pair(topic: str, rng: random.Random) -> tuple[str, str]:
    """Two sentences about two of the same three words: with a word in common."""
    words = rng.sample(TOPICS[topic].split(), 3)
    first, second = (rng.choice(FRAMES).format(*rng.sample(words, 2)) for _ in range(2))
    return first, second


def paragraph(topic: str, rng: random.Random) -> tuple[str, str]:
    """Two longer texts about a topic: positions beyond a sentence's length are learned from these."""
    sentences = [sentence for line in PARAPHRASES[topic] for sentence in (line[0], line[-1])]
    texts = [" ".join(rng.choices(sentences, k=rng.randint(3, 7))) for _ in range(2)]
    return texts[0], texts[1]


def batch(known: Sequence[Group], rng: random.Random) -> tuple[list[str], list[str], list[str]]:
    """(first sentences, their partners, their topics)."""
    firsts, seconds, topics = [], [], []
    chosen = rng.sample(range(len(known)), GROUPS * 5 // 8)
    for index in chosen:
        first, second = pair(known[index], rng)
        firsts.append(first)
        seconds.append(second)
        topics.append(known[index].topic)
    for number in range(GROUPS - len(chosen)):
        topic = rng.choice(list(TOPICS))
        first, second = (paragraph if number == 0 and rng.random() < 0.25 else word_pair)(topic, rng)
        firsts.append(first)
        seconds.append(second)
        topics.append(topic)
    return firsts, seconds, topics


def encode(tokenizer: Tokenizer, texts: Sequence[str], longest: int = CONTEXT) -> tuple[mx.array, mx.array]:
    rows = [encoding.ids[:longest] for encoding in tokenizer.encode_batch(list(texts))]
    width = -(-max(map(len, rows)) // 8) * 8
    ids, mask = np.zeros((len(rows), width), np.int32), np.zeros((len(rows), width), np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return mx.array(ids), mx.array(mask)


# ------------------------------------------------------------------ training
def train(
    model: Model, tokenizer: Tokenizer, known: Sequence[Group], steps: int, rate: float, rng: random.Random
) -> None:
    warm_up = optimizers.linear_schedule(1e-5, rate, 100)
    schedule = optimizers.join_schedules([warm_up, optimizers.cosine_decay(rate, steps - 100, rate * 0.02)], [100])
    optimizer = optimizers.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.02)

    def loss(ids: mx.array, mask: mx.array, targets: mx.array) -> mx.array:
        vectors = model(ids, attention_mask=mask).text_embeds
        half = vectors.shape[0] // 2
        scores = vectors[:half] @ vectors[half:].T / TEMPERATURE
        ways = (scores, scores.T)
        return sum(-(targets * (way - mx.logsumexp(way, axis=1, keepdims=True))).sum(axis=1).mean() for way in ways)

    loss_and_gradients = value_and_grad(model, loss)
    model.train()
    started, losses = time.monotonic(), []
    for number in range(1, steps + 1):
        firsts, seconds, topics = batch(known, rng)
        ids, mask = encode(tokenizer, [*firsts, *seconds], LONGEST)
        value, gradients = loss_and_gradients(ids, mask, targets(topics))
        gradients, _ = optimizers.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(value, model.state, optimizer.state)
        losses.append(float(value.item()))
        if number % 200 == 0:
            print(f"step {number}: loss {np.mean(losses[-200:]):.3f}, {time.monotonic() - started:.0f} s", flush=True)


def targets(topics: Sequence[str]) -> mx.array:
    """[n, n], rows sum to 1: the partner, and a little for others of the same topic."""
    names = np.array(topics)
    weights = np.where(names[:, None] == names[None], SAME_TOPIC, 0.0)
    np.fill_diagonal(weights, 1.0)
    return mx.array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def report(model: Model, tokenizer: Tokenizer, known: Sequence[Group]) -> None:
    """How many held-out paraphrases find a sentence of their group, and of their topic, first."""
    corpus = [(index, group.topic, text) for index, group in enumerate(known) for text in group.sentences]
    asked = [(index, group.topic, group.held_out) for index, group in enumerate(known) if group.held_out]
    ids, mask = encode(tokenizer, [text for *_, text in corpus] + [text for *_, text in asked])
    vectors = np.array(model(ids, attention_mask=mask).text_embeds)
    best = (vectors[len(corpus) :] @ vectors[: len(corpus)].T).argmax(axis=1)
    pairs = [(corpus[place], question) for place, question in zip(best, asked, strict=True)]
    group = sum(found[0] == question[0] for found, question in pairs)
    topic = sum(found[1] == question[1] for found, question in pairs)
    print(f"held out: {len(asked)}, nearest in the same group: {group}, in the same topic: {topic}")


if __name__ == "__main__":
    main()
