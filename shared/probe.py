"""The short measurement that `mlx-gateway doctor` makes in the node and in a shell; the same on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 3  # the best counts: whatever else the machine does only makes a round slower
DECODE = 64  # tokens
LONG, SHORT = 150, 2  # words of a prompt


@dataclass(frozen=True, slots=True)
class Seconds:
    """`prefill`: a prompt of `LONG` words and one token; `decode`: `DECODE` tokens after a short one."""

    prefill: float
    decode: float


def prompt_of(number: int, words: int) -> str:
    """Every number has a prompt of its own from the first word on, so that no prefix cache helps."""
    return f"{number} " + " ".join(f"word{(number * 7 + index) % 97}" for index in range(words))


def measure(answer: Callable[[str, int], None], clock: Callable[[], float]) -> Seconds:
    """`answer(prompt, tokens)` answers a prompt with so many tokens, and returns when it has."""
    number = int(clock() * 1000) % 10**6 * 100  # not the prompts of an earlier visit

    def timed(words: int, tokens: int) -> float:
        nonlocal number
        number += 1
        began = clock()
        answer(prompt_of(number, words), tokens)
        return clock() - began

    for words, tokens in ((LONG, 1), (SHORT, DECODE + 1)):
        timed(words, tokens)  # shapes are compiled at first use
    rounds = [(timed(LONG, 1), timed(SHORT, 1), timed(SHORT, DECODE + 1)) for _ in range(ROUNDS)]
    long, short, whole = (min(times) for times in zip(*rounds, strict=True))
    return Seconds(long, max(0.0, whole - short))
