"""A request inside the engine: its inputs as tokens, those that wait, and the rows that the model has answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.messages import Delta, Usage
from workers.embedding.schedule import Queue

Rows = NDArray[np.float32]
"""[inputs, width]: a vector or a score an input."""


@dataclass(frozen=True, slots=True)
class Item:
    """One input as the model reads it; `types` tells the two texts of a pair apart where the model wants that."""

    tokens: Sequence[int]
    types: Sequence[int] | None = None


@dataclass(slots=True, eq=False)
class Job:
    """`answer` turns the rows of all items, in the order of `items`, into the request's delta."""

    request: str
    items: Sequence[Item]
    answer: Callable[[Rows], Delta]
    served: int = 0
    rows: Rows | None = None
    done: int = 0  # tokens
    _order: list[int] = field(init=False)  # positions of the waiting items, shortest first
    _lengths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._order = sorted(range(len(self.items)), key=lambda index: len(self.items[index].tokens))
        self._lengths = [len(self.items[index].tokens) for index in self._order]

    @property
    def tokens(self) -> int:
        return sum(len(item.tokens) for item in self.items)

    @property
    def waiting(self) -> int:
        return len(self._order)

    @property
    def usage(self) -> Usage:
        """What the model has read so far; the padding of a batch is not counted."""
        return Usage(prompt_tokens=self.done)

    def queue(self) -> Queue:
        return Queue(self._lengths, sum(self._lengths), self.served)

    def take(self, start: int, stop: int) -> list[int]:
        """Positions of the items that leave the queue."""
        taken = self._order[start:stop]
        del self._order[start:stop], self._lengths[start:stop]
        return taken

    def fill(self, positions: Sequence[int], rows: Rows) -> None:
        if self.rows is None:
            self.rows = np.empty((len(self.items), rows.shape[1]), np.float32)
        self.rows[list(positions)] = rows
        self.done += sum(len(self.items[position].tokens) for position in positions)
