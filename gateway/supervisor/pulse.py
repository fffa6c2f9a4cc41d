"""What a worker last said about itself: load progress, capabilities, counters, and the rate that follows from them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from shared.messages import Loading, Ready, Stats

RATE_WINDOW = 10.0  # seconds


class Moves(Enum):
    """What happened between two pulses."""

    NOTHING = auto()
    INSIDE = auto()  # a step that is not complete went on
    STEP = auto()  # a step was completed


@dataclass(slots=True)
class Pulse:
    """Of one incarnation; its worker owns it."""

    loading: Loading = field(default_factory=lambda: Loading("start"))
    ready: Ready | None = None
    stats: Stats | None = None
    _generated: deque[tuple[float, int]] = field(default_factory=deque)  # moment, tokens so far

    def beat(self, stats: Stats, now: float) -> Moves:
        """Takes the counters in; returns what the worker did since the last ones."""
        before, self.stats = self.stats, stats
        self._generated.append((now, stats.generated_tokens))
        while now - self._generated[0][0] > RATE_WINDOW:
            self._generated.popleft()
        if before is None or stats.steps != before.steps:
            return Moves.STEP
        return Moves.INSIDE if stats.beats != before.beats else Moves.NOTHING

    def tokens_per_second(self, now: float) -> float:
        """Generated tokens over the last seconds; 0 when the pulse is old."""
        recent = [(at, total) for at, total in self._generated if now - at <= RATE_WINDOW]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0
        return (recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])
