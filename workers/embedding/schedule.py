"""Which inputs of which requests share the next step, and how many tokens it may hold. Values in, a decision out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAUSE_ALLOWED = 0.2  # seconds a step may take: a cancel or a short request waits that long at most
TOKENS_LEAST = 32
_SLACK_LEAST = 8  # tokens of padding that are never worth a step of their own


@dataclass(frozen=True, slots=True)
class Queue:
    """An open request: the lengths of its waiting inputs, shortest first, and the step that last served it."""

    lengths: Sequence[int]
    tokens: int  # sum of the lengths
    served: int  # for a new request: the step at which it came


@dataclass(frozen=True, slots=True)
class Take:
    """The inputs `start` to `stop` of the request at `queue`, by their place in `lengths`."""

    queue: int
    start: int
    stop: int


def plan(queues: Sequence[Queue], budget: int, turn: int, *, ragged: bool, width: Callable[[int], int]) -> list[Take]:
    """One batch of at most `budget` tokens, padding counted (a single input may exceed it, alone).

    1. A leader: in every other turn the request that has waited longest since it was served, so that nobody starves;
       in the others the one with the least left, so that a single input never waits for a request of thousands.
    2. The leader's longest input fixes the width; inputs within a quarter of it may join, or only equals where the
       model can't tell padding from text (not `ragged`).
    3. Requests get their rows in turn, leader first. Their longest fitting inputs go first: long ones pack worst later.
    """
    waiting = [index for index, queue in enumerate(queues) if queue.lengths]
    if not waiting:
        return []
    by_work = sorted(waiting, key=lambda index: (queues[index].tokens, index))
    leader = by_work[0] if turn % 2 else min(waiting, key=lambda index: (queues[index].served, index))
    longest = queues[leader].lengths[-1]
    shortest = longest - max(_SLACK_LEAST, longest // 4) if ragged else longest
    order = [leader, *(index for index in by_work if index != leader)]
    spans = [
        (bisect_left(queues[index].lengths, shortest), bisect_right(queues[index].lengths, longest)) for index in order
    ]
    counts = share(max(1, budget // width(longest)), [stop - start for start, stop in spans])
    return [
        Take(index, stop - count, stop) for index, (_, stop), count in zip(order, spans, counts, strict=True) if count
    ]


def share(places: int, wanted: Sequence[int]) -> list[int]:
    """Divides `places` one by one over those that want any, in order, until none is left or all have enough."""
    counts = [0] * len(wanted)
    hungry = [index for index, want in enumerate(wanted) if want]
    while places > 0 and hungry:
        each = max(1, min(places // len(hungry), min(wanted[index] - counts[index] for index in hungry)))
        for index in hungry[:places]:
            counts[index] += each
        places -= each * min(places, len(hungry))
        hungry = [index for index in hungry if counts[index] < wanted[index]]
    return counts


def rounded_width(length: int, context: int) -> int:
    """The next power of two or half-way between two: a GPU meets few shapes, padding stays under a third."""
    step = max(8, (1 << (length - 1).bit_length()) // 4)
    return min(-(-length // step) * step, context)


class Pacer:
    """Learns what a token costs and sizes steps so that they last `PAUSE_ALLOWED` at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._cost: float | None = None  # seconds a token

    @property
    def budget(self) -> int:
        """Tokens for the next step."""
        if self._cost is None:
            return min(self._most, 4 * TOKENS_LEAST)
        return max(TOKENS_LEAST, min(self._most, int(PAUSE_ALLOWED / self._cost)))

    def observe(self, seconds: float, tokens: int) -> None:
        """A step over `tokens`, padding counted, took `seconds`."""
        cost = max(seconds, 1e-7) / max(1, tokens)
        self._cost = cost if self._cost is None else 0.7 * self._cost + 0.3 * cost
