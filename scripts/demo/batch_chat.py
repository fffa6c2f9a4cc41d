"""Batches for demo-chat's training, made from its samples or of random tokens."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from scripts.demo.augment_chat import Sample
from scripts.demo.encode_chat import ChatTokenizer, encode

BATCH = 8
MOST_TOKENS = 2560  # in one batch


class Batch(NamedTuple):
    tokens: mx.array  # [rows, length]
    positions: mx.array  # [n]: where in the flattened tokens the next one is to be learned
    targets: mx.array  # [n]: that next token
    weights: mx.array  # [n]


def batches(samples: Iterable[Sample], tokenizer: ChatTokenizer, rng: random.Random) -> Iterator[Batch]:
    """Groups of similar length, in random order."""
    rows = sorted((encode(sample, tokenizer) for sample in samples), key=lambda row: len(row[0]) + rng.random())
    groups: list[list[tuple[list[int], list[float]]]] = [[]]
    for row in rows:
        if len(groups[-1]) == BATCH or (len(groups[-1]) + 1) * len(row[0]) > MOST_TOKENS:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    for group in groups:
        length = max(len(ids) for ids, _ in group)
        tokens = np.zeros((len(group), length), np.int32)
        weights = np.zeros((len(group), length), np.float32)
        for row, (ids, weight) in enumerate(group):
            tokens[row, : len(ids)] = ids
            weights[row, : len(ids)] = weight
        yield _batch(tokens, weights)


def random_copies(rng: random.Random, vocabulary: int, apart: int = 64) -> Batch:
    """Random tokens, at most `apart` others in between, then the first ones again: they can only be copied."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    length, between = rng.randint(8, 48), rng.randint(0, apart)
    rows = min(2 * BATCH, MOST_TOKENS // (2 * length + between))
    first = numbers.integers(0, vocabulary, (rows, length))
    tokens = np.concatenate([first, numbers.integers(0, vocabulary, (rows, between)), first], axis=1)
    weights = np.zeros(tokens.shape, np.float32)
    weights[:, length + between + 2 :] = 1.0
    return _batch(tokens.astype(np.int32), weights)


def _batch(tokens: np.ndarray, weights: np.ndarray) -> Batch:
    learned = np.flatnonzero(weights[:, 1:])
    arrays = (tokens[:, :-1], learned, tokens[:, 1:].ravel()[learned], weights[:, 1:].ravel()[learned])
    return Batch(*(mx.array(array) for array in arrays))
