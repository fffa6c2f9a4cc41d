"""Who goes next. Pure: the waiters in, the chosen one out; a fairer policy replaces `choose` and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits for a credit. `ticket` is its order of arrival; a replayed request keeps its own."""

    ticket: int


def choose(waiters: Collection[Waiter]) -> Waiter:
    """First come, first served. `waiters` is not empty."""
    return min(waiters, key=lambda waiter: waiter.ticket)
