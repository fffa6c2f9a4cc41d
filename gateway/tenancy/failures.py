"""The last requests that went wrong, for whoever looks after the node: names and codes, never content."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import Cancelled

KEPT = 50
_FINE = frozenset({"stop", "length", "tool_calls", "finished", Cancelled.code})  # who leaves has not failed


@dataclass(frozen=True, slots=True)
class Failure:
    """`at` in seconds since the epoch; `code` is that of shared.errors; `model` is empty when none was reached."""

    at: float
    key: str
    model: str
    endpoint: str
    code: str


class Failures:
    """A bounded list, newest first. Owned by the event loop."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch."""
        self._clock = clock
        self._kept: deque[Failure] = deque(maxlen=KEPT)

    def note(self, outcome: str, *, key: str, model: str, endpoint: str) -> None:
        """One request has ended; an outcome that is no failure is not kept."""
        if outcome not in _FINE:
            self._kept.appendleft(Failure(self._clock(), key, model, endpoint, outcome))

    def latest(self) -> tuple[Failure, ...]:
        return tuple(self._kept)
