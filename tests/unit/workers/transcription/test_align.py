"""Times of words out of attention: on a picture with a known path."""

import numpy as np
import pytest

from tests.fakes.hearing import DEMO
from workers.transcription.align import token_times, warp, words
from workers.transcription.segments import Piece
from workers.transcription.vocabulary import load_vocabulary


def stairs(begins: list[int], ticks: int) -> np.ndarray:
    """Attention of two heads: each token looks at the ticks from its own beginning to the next one's."""
    picture = np.full((2, len(begins), ticks), 0.01, np.float32)
    for row, (begin, end) in enumerate(zip(begins, [*begins[1:], ticks], strict=True)):
        picture[:, row, begin:end] = 1.0
    return picture


def test_the_path_follows_the_stairs() -> None:
    assert warp(-stairs([0, 10, 30, 35], 60)[0]).tolist() == [0, 10, 30, 35]


def test_warp_equals_the_plain_recurrence() -> None:
    cost = np.random.default_rng(0).normal(size=(7, 23)).astype(np.float32)
    total = np.full((8, 24), np.inf)
    total[0, 0] = 0
    for i in range(1, 8):
        for j in range(1, 24):
            total[i, j] = cost[i - 1, j - 1] + min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
    begins = warp(cost)
    assert begins[0] == 0
    assert (np.diff(begins) >= 0).all()
    best = min(
        sum(cost[row, a : b + 1].sum() for row, (a, b) in enumerate(zip(begins, ends, strict=True)))
        for ends in ([*(begins[1:] - shift), 22] for shift in (0, 1))
        if all(b >= a for a, b in zip(begins, ends, strict=True))
    )
    assert total[7, 23] <= best + 1e-4


def test_more_tokens_than_ticks_still_have_times() -> None:
    times = token_times(np.random.default_rng(0).random((2, 12, 2)).astype(np.float32), first=3)
    assert len(times) == 8
    assert (np.diff(times) >= 0).all()


def test_token_times_leave_out_the_prompt_and_the_end() -> None:
    rows = np.concatenate([np.full((2, 2, 80), 0.01, np.float32), stairs([0, 20, 50], 80)], axis=1)
    last = np.full((2, 1, 80), 0.01, np.float32)
    times = token_times(np.concatenate([rows, last], axis=1), first=2)
    assert times.tolist() == pytest.approx([0, 20, 50], abs=3)


def test_words_are_in_order_and_inside_their_segment() -> None:
    vocabulary = load_vocabulary(DEMO, 10**5)
    texts = [" Never give up.", ' "What time is it?"']
    tokens = [tuple(vocabulary.encode(text)) for text in texts]
    found = [Piece(0.2, 1.0, tokens[0]), Piece(1.2, 2.0, tokens[1])]
    count = sum(map(len, tokens))
    times = np.linspace(0, 150, count + 1).astype(np.int64)  # up to 3 s: beyond the last segment
    probabilities = np.full(count, 0.5, np.float32)
    first, second = words(found, times, probabilities, vocabulary, "en")
    assert [word.text for word in first] == ["Never", "give", "up."]
    assert [word.text for word in second] == ['"What', "time", "is", 'it?"']
    for piece, group in zip(found, (first, second), strict=True):
        edges = [edge for word in group for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert piece.start <= edges[0]
        assert edges[-1] <= piece.end
    assert first[0].probability == 0.5
