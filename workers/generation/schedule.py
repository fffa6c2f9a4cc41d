"""What to prefill next, how much of it, and beside whom a row decodes. Values in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHUNK_LEAST = 32
PAUSE_ALLOWED = 0.1  # seconds by which a chunk may delay the running streams
CHUNK_FIRST = 256  # tokens, before anything is known of the machine
CHUNK_SECONDS = 2.0  # that a chunk may take when nobody decodes: who comes or cancels meanwhile waits for it
GROUP_OVERHEAD = 2048  # columns that a row may waste before a group of its own is cheaper
GROUPS_MOST = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """`tokens` of the waiting prompt at `index`."""

    index: int
    tokens: int


def plan_prefill(remaining: Sequence[int], budget: int, turn: int, together: Sequence[bool]) -> list[Chunk]:
    """Chunks for this step, at most `budget` tokens; `remaining` is in order of arrival.

    1. Every other turn belongs to the oldest, so that nobody starves.
    2. The other turns belong to the shortest, so that a short prompt never waits for a long one.
    3. Where prompts may share a pass (`together`, a flag a prompt), the shortest others join the turn, as many as
       finish within the budget, padding counted.
    """
    if not remaining:
        return []
    by_length = sorted(range(len(remaining)), key=lambda index: (remaining[index], index))
    first = 0 if turn % 2 == 0 else by_length[0]
    chunks = [Chunk(first, min(budget, remaining[first]))]
    if not together[first] or remaining[first] > budget:
        return chunks
    for index in by_length:
        if (len(chunks) + 1) * max(remaining[first], remaining[index]) > budget:
            break
        if index != first and together[index]:
            chunks.append(Chunk(index, remaining[index]))
    return chunks


def choose_group(length: int, groups: Mapping[int, tuple[int, int]]) -> int | None:
    """Which of `groups` (by index: rows, width) a row of `length` tokens joins; None: a new one.

    A shorter row wastes columns of its own, a longer one a column of everybody in the group.
    """
    waste = {
        index: width - length if length <= width else rows * (length - width) for index, (rows, width) in groups.items()
    }
    best = min(waste, key=lambda index: waste[index], default=None)
    if best is None or (waste[best] > GROUP_OVERHEAD and len(groups) < GROUPS_MOST):
        return None
    return best


class Pacer:
    """Learns what a prompt token costs and sizes chunks so that running streams pause by `PAUSE_ALLOWED` at most.

    Where nobody decodes a chunk may take `CHUNK_SECONDS`, or be as large as is efficient.
    """

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._alone = min(chunk, CHUNK_FIRST)
        self._token_cost: float | None = None  # seconds
        self._step_cost = 0.0

    def budget(self, decoding: int) -> int:
        """Tokens that may be prefilled in this step beside `decoding` rows."""
        if not decoding:
            return self._alone
        if self._token_cost is None:
            return CHUNK_LEAST * 2
        fits = int(PAUSE_ALLOWED / self._token_cost)
        return self._rounded(fits)

    def _rounded(self, tokens: int) -> int:
        """Down to a power of two: kernels are compiled or planned for few lengths."""
        return max(CHUNK_LEAST, min(self._chunk, 1 << max(tokens, 1).bit_length() - 1))

    def observe_alone(self, seconds: float, tokens: int) -> None:
        """A step took `seconds` and did nothing but prefill `tokens`.

        Short chunks are nearly all fixed cost: they are believed only where they took too long or make room.
        """
        fits = self._rounded(int(tokens * CHUNK_SECONDS / max(seconds, 1e-6)))
        if seconds > CHUNK_SECONDS or fits > self._alone:
            self._alone = fits

    def observe(self, seconds: float, tokens: int) -> None:
        """A step took `seconds` and prefilled `tokens` (0: it only decoded)."""
        if not tokens:
            self._step_cost = seconds if not self._step_cost else 0.8 * self._step_cost + 0.2 * seconds
            return
        cost = max(seconds - self._step_cost, 1e-7) / tokens
        self._token_cost = cost if self._token_cost is None else 0.7 * self._token_cost + 0.3 * cost
