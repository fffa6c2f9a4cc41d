"""Times of words, from where the decoder looked: dynamic time warping over cross-attention. Numpy only.

Reference: openai/whisper, whisper/timing.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.messages import Word
from workers.transcription.segments import Piece
from workers.transcription.vocabulary import TICK, Vocabulary

Floats = NDArray[np.float32]

_MEDIAN = 7  # ticks
_BEFORE = "\"'“¿([{-"  # joins the word behind it
_AFTER = "\"'.。,，!！?？:：”)]}、"  # joins the word before it


def token_times(weights: Floats, first: int) -> NDArray[np.int64]:
    """The tick at which each token from `first` on begins, the last being the end; never decreasing.

    `weights` [heads, tokens, ticks] are where the decoder looked when it had read a token, to find the next one.
    """
    spread = weights.std(axis=-2, keepdims=True)
    scaled = (weights - weights.mean(axis=-2, keepdims=True)) / np.maximum(spread, 1e-9)
    return warp(-_median(scaled).mean(axis=0)[first:-1])


def warp(cost: Floats) -> NDArray[np.int64]:
    """The cheapest monotone path through [rows, columns]: the first column of each row."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):  # cells of one diagonal don't depend on each other
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(total[i - 1, j - 1], total[i - 1, j]), total[i, j - 1])
        total[i, j] = cost[i - 1, j - 1] + before
    first = np.zeros(rows, np.int64)
    i, j = rows, columns
    while i > 0:
        first[i - 1] = j - 1
        steps = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
        choice = int(np.argmin(steps))
        i, j = (i - (choice != 2), j - (choice != 1))
    return first


def words(
    found: Sequence[Piece],
    times: NDArray[np.int64],
    probabilities: Floats,
    vocabulary: Vocabulary,
    language: str,
) -> list[tuple[Word, ...]]:
    """The words of each piece, seconds from the window's start, in order and inside their piece.

    `times` has one entry for each token of all pieces and one for the end, `probabilities` one a token.
    """
    result = []
    at = 0
    for piece in found:
        last = piece.start
        timed: list[Word] = []
        for group in _groups(piece.tokens, vocabulary, language):
            after = at + len(group)
            start = min(max(float(times[at]) * TICK, last), piece.end)
            last = min(max(float(times[after]) * TICK, start), piece.end)
            text = vocabulary.decode(group).strip()
            if text:
                timed.append(Word(text, start, last, float(np.mean(probabilities[at:after]))))
            at = after
        result.append(tuple(timed))
    return result


def _groups(tokens: Sequence[int], vocabulary: Vocabulary, language: str) -> list[list[int]]:
    """Words with the punctuation that belongs to them."""
    merged: list[list[int]] = []
    opening = False
    for group in vocabulary.split_words(tokens, language):
        text = vocabulary.decode(group)
        if merged and (opening or text in _AFTER):
            merged[-1] += group
        else:
            merged.append(list(group))
        opening = text.startswith(" ") and text.strip() != "" and text.strip() in _BEFORE
    return merged


def _median(x: Floats) -> Floats:
    pad = _MEDIAN // 2
    if x.shape[-1] <= pad:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(pad, pad)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=-1)
    return np.asarray(np.median(windows, axis=-1), np.float32)
