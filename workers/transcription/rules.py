"""Which tokens may come next: Whisper's rules of timestamps, as a few numbers a row.

Text stands between two timestamps, the second later than the first, and times never go back. Unlike the reference the
rules compare values, not positions, and know the window's end: the model's own, not where its sound ends, for a model
that is kept from the time that it means goes on talking.
Reference: openai/whisper, whisper/decoding.py, ApplyTimestampRules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LATEST_START = 50  # ticks: the first segment begins in the window's first second


@dataclass(frozen=True, slots=True)
class Allowed:
    """Ticks from `low` to `high` are allowed; none where low is above high."""

    text: bool
    end: bool
    low: int
    high: int


def allowed(sampled: Sequence[int], first_timestamp: int, last_tick: int) -> Allowed:
    """`sampled` are the row's tokens behind the prompt, `last_tick` is the window's end."""
    # 1. The beginning: a timestamp.
    if not sampled:
        return Allowed(False, False, 0, min(LATEST_START, last_tick))
    ticks = [token - first_timestamp for token in sampled if token >= first_timestamp]
    stamped = sampled[-1] >= first_timestamp
    opened = stamped and (len(sampled) < 2 or sampled[-2] >= first_timestamp)
    # 2. A segment has begun: text.
    if opened:
        return Allowed(True, True, 1, 0)
    # 3. A segment has ended: the next begins, at the same time or later, or all ends.
    if stamped:
        return Allowed(False, True, ticks[-1], last_tick)
    # 4. Inside the text: more of it, or the segment's end.
    return Allowed(True, True, ticks[-1] + 1, last_tick)
