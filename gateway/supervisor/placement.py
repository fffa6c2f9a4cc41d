"""The node's memory, divided. Pure: sizes in, sizes out, all in bytes."""

from __future__ import annotations

from collections.abc import Sequence

_WIRED_MARGIN = 2**30


def node_budget(setting: float | int, total: int) -> int:
    """What all workers together may use: a share of `total` (a float), or bytes (an int)."""
    return int(total * setting) if isinstance(setting, float) else setting


def wired_limit(weights: int, budget: int) -> int:
    """How much a worker may keep wired: its weights (0: unknown) and a margin for its batch, never above its budget.

    Nothing wired makes decoding crawl when memory is tight; everything wired by every worker hangs the machine.
    """
    return min(budget, weights + weights // 4 + _WIRED_MARGIN) if weights else budget


def divide(budget: int, weights: Sequence[int]) -> list[int]:
    """A budget for each worker: its weights (0: unknown) and an equal part of what the weights of all leave."""
    if not weights:
        return []
    spare = max(0, budget - sum(weights)) // len(weights)
    return [weight + spare for weight in weights]
