"""What was used of a limit, over a sliding minute or a calendar day. Times in seconds on the caller's clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

MINUTE = 60.0
DAY = 86400.0

Measure = Literal["requests", "tokens", "tokens_per_day", "parallel"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as clients learn it. `reset`: seconds until all of it is free again."""

    measure: Measure
    most: int
    used: int
    reset: float

    @property
    def remaining(self) -> int:
        return max(0, self.most - self.used)


class Minute:
    """A sliding minute: an amount counts for exactly 60 seconds."""

    def __init__(self) -> None:
        self._amounts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, amount: int, now: float) -> None:
        if amount:
            self._amounts.append((now, amount))
            self._sum += amount

    def used(self, now: float) -> int:
        while self._amounts and now - self._amounts[0][0] >= MINUTE:
            self._sum -= self._amounts.popleft()[1]
        return self._sum

    def wait(self, most: int, now: float) -> float:
        """Seconds until less than `most` is used; 0 when that is so now."""
        used = self.used(now)
        for at, amount in self._amounts:
            if used < most:
                break
            used -= amount
            if used < most:
                return at + MINUTE - now
        return 0.0

    def reset(self, now: float) -> float:
        """Seconds until nothing is used."""
        self.used(now)
        return self._amounts[-1][0] + MINUTE - now if self._amounts else 0.0


class Day:
    """A calendar day in UTC; `now` is seconds since the epoch."""

    def __init__(self) -> None:
        self._day = -1
        self._sum = 0

    def add(self, amount: int, now: float) -> None:
        self._sum = self.used(now) + amount

    def used(self, now: float) -> int:
        day = int(now // DAY)
        if day != self._day:
            self._day, self._sum = day, 0
        return self._sum

    def wait(self, most: int, now: float) -> float:
        return 0.0 if self.used(now) < most else self.reset(now)

    def reset(self, now: float) -> float:
        """Seconds until midnight."""
        return DAY - now % DAY
