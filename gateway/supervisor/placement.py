"""What fits into the node's memory, and whom to evict for it. Pure: values in, a decision out; sizes in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WIRED_MARGIN = 2**30
_PROCESS = 512 * 2**20  # of a worker without its model: the interpreter and its libraries
_PEAK_MARGIN = 1.1  # what a model once reached, and a little


@dataclass(frozen=True, slots=True)
class Resident:
    """A model that holds memory. `ready_since` None: it is not ready yet, or is on its way out."""

    name: str
    size: int
    pinned: bool
    busy: bool  # requests run on it
    used: float  # when it last had a request
    ready_since: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """It may load once `evict` have gone; nothing runs on them, unless `drain`: then they finish that first."""

    evict: tuple[str, ...] = ()
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: whoever could go is loading, leaving, or has only just come."""


@dataclass(frozen=True, slots=True)
class Never:
    """More than there is beside the pinned models."""

    most: int


Decision = Place | Wait | Never


def decide(need: int, budget: int, residents: Sequence[Resident], now: float, min_residency: float) -> Decision:
    """How `need` bytes can be had. Idle models go first, the least recently used before the others."""
    # 1. Can it ever fit?
    most = budget - sum(one.size for one in residents if one.pinned)
    if need > most:
        return Never(max(0, most))
    # 2. Does it fit as things are?
    missing = need - (budget - sum(one.size for one in residents))
    if missing <= 0:
        return Place()
    # 3. Who may go; those on whom nothing runs first.
    settled = [one for one in residents if not one.pinned and one.ready_since is not None]
    settled = [one for one in settled if now - (one.ready_since or 0.0) >= min_residency]
    order = sorted(settled, key=lambda one: (one.busy, one.used))
    if sum(one.size for one in order) < missing:
        return Wait()
    chosen: list[Resident] = []
    for one in order:
        if sum(each.size for each in chosen) >= missing:
            break
        chosen.append(one)
    # 4. A later choice may have made an earlier one needless.
    for one in list(chosen):
        if sum(each.size for each in chosen) - one.size >= missing:
            chosen.remove(one)
    return Place(tuple(one.name for one in chosen), drain=any(one.busy for one in chosen))


def reservation(weights: int, kv: int, prefix_cache: int, peak: int = 0) -> int:
    """What a worker will hold: its weights, its requests' KV caches, its prefix cache, its process.

    `peak` is the most that it was once seen to hold (0: unknown); where that is more, that counts.
    """
    return max(weights + kv + prefix_cache + _PROCESS, int(peak * _PEAK_MARGIN))


def node_budget(setting: float | int, total: int) -> int:
    """What all workers together may use: a share of `total` (a float), or bytes (an int)."""
    return int(total * setting) if isinstance(setting, float) else setting


def wired_limit(weights: int, budget: int) -> int:
    """How much a worker may keep wired: its weights (0: unknown) and a margin for its batch, never above its budget.

    Nothing wired makes decoding crawl when memory is tight; everything wired by every worker hangs the machine.
    """
    return min(budget, weights + weights // 4 + _WIRED_MARGIN) if weights else budget
