"""The node's memory, divided. Pure: sizes in, sizes out, all in bytes."""

from __future__ import annotations

from collections.abc import Sequence


def node_budget(setting: float | int, total: int) -> int:
    """What all workers together may use: a share of `total` (a float), or bytes (an int)."""
    return int(total * setting) if isinstance(setting, float) else setting


def divide(budget: int, weights: Sequence[int]) -> list[int]:
    """A budget for each worker: its weights (0: unknown) and an equal part of what the weights of all leave."""
    if not weights:
        return []
    spare = max(0, budget - sum(weights)) // len(weights)
    return [weight + spare for weight in weights]
