"""What the rows of one model may share, and why not more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Way(StrEnum):
    """A way of sharing, in the order in which they build on each other."""

    CHUNKS = "chunked prefill"  # a prompt may be computed in pieces, between decode steps
    BATCH = "batch"  # rows of unequal length decode together
    GROUPS = "groups"  # groups of rows share one pass over the weights
    PREFILL = "batched prefill"  # prompts of unequal length prefill together


@dataclass(frozen=True, slots=True)
class Sharing:
    """`least`: tokens that a row must have computed before it may join a batch; shorter rows decode alone."""

    ways: frozenset[Way]
    least: int = 0
    reasons: Mapping[Way, str] = field(default_factory=dict)

    def __contains__(self, way: Way) -> bool:
        return way in self.ways

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(way.value for way in Way if way in self.ways)

    @property
    def refusals(self) -> tuple[str, ...]:
        """One text a way that is not used: "batch: its caches can't be merged"."""
        told = [f"{way.value}: {self.reasons.get(way, 'not tried')}" for way in Way if way not in self.ways]
        if self.least:
            told.append(f"batch: rows of fewer than {self.least} tokens decode alone")
        return tuple(told)


ALONE = Sharing(frozenset((Way.CHUNKS,)))
"""Nothing is shared, whatever the model."""
