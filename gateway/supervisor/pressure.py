"""How short of memory the machine is. Pure: readings in, a level out; sizes in bytes.

    normal     loads as the ledger allows
    tight      only loads that leave the machine room; caches shrink
    critical   no loads; what idles goes, one model a look

A level is reached at once and left only when a reading stays clearly better for a while, so that what relief frees
does not call the next load at once. Swap counts by its growth, and only while memory is short: systems move idle pages
out on their own.

What is read is `psutil.virtual_memory().available` and `psutil.swap_memory().used`. On macOS the first is free and
inactive pages; compressed and purgeable memory is not in it, and memory that Metal has wired is not in a process's
resident size. The shares below were chosen from Linux and from reports, not yet seen on a Mac under load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Level = Literal["normal", "tight", "critical"]
LEVELS: tuple[Level, ...] = ("normal", "tight", "critical")

TIGHT_SHARE = 0.10  # of the machine's memory that is available
CRITICAL_SHARE = 0.04
SWAP_SHARE = 2.0  # below so many times a level's share, growing swap counts as that level
TIGHT_GROWTH = 8 * 2**20  # of swap, bytes a second
CRITICAL_GROWTH = 32 * 2**20
EASE = 1.25  # so many times better has a reading to be for a lower level
HOLD = 10.0  # and for so many seconds
SPAN = 5.0  # seconds over which the growth of swap is measured


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's memory at one moment. `growth`: of swap, bytes a second, over the last `SPAN`."""

    total: int
    available: int
    swap: int = 0
    growth: float = 0.0


UNREAD = Reading(0, 0)


@dataclass(frozen=True, slots=True)
class Pressure:
    """`level` holds for a while, `now` is what the last reading alone says."""

    level: Level = "normal"
    now: Level = "normal"
    better_since: float | None = None


def severity(reading: Reading, ease: float = 1.0) -> Level:
    """What one reading says; with `ease` above 1, as if it were so many times worse."""
    share = reading.available / max(reading.total, 1) / ease
    growth = reading.growth * ease
    if share < CRITICAL_SHARE or (share < CRITICAL_SHARE * SWAP_SHARE and growth >= CRITICAL_GROWTH):
        return "critical"
    if share < TIGHT_SHARE or (share < TIGHT_SHARE * SWAP_SHARE and growth >= TIGHT_GROWTH):
        return "tight"
    return "normal"


def judge(before: Pressure, reading: Reading, now: float) -> Pressure:
    """The next state; `now` in seconds on any clock that only grows."""
    seen = severity(reading)
    # 1. Worse counts at once.
    if _rank(seen) > _rank(before.level):
        return Pressure(seen, seen)
    # 2. Better counts once it has stayed clearly better.
    eased = severity(reading, EASE)
    if _rank(eased) >= _rank(before.level):
        return Pressure(before.level, seen)
    since = now if before.better_since is None else before.better_since
    if now - since >= HOLD:
        return Pressure(eased, seen)
    return replace(before, now=seen, better_since=since)


def may_load(level: Level, reading: Reading, need: int, held: int) -> bool:
    """Whether a model may load that adds `need` bytes (negative: others go for it) to the `held` ones."""
    # 1. Under no pressure, or in the place of a model that is no smaller, or where nothing of ours is to blame.
    if level == "normal" or need <= 0 or held == 0:
        return True
    # 2. Where the machine keeps its room.
    return level == "tight" and reading.available - need >= reading.total * CRITICAL_SHARE


def growth(samples: list[tuple[float, int]]) -> float:
    """Bytes a second between the first and the last of (time, bytes); 0 while it shrinks or is not known."""
    (began, first), (ended, last) = samples[0], samples[-1]
    return max(0.0, (last - first) / (ended - began)) if ended > began else 0.0


def _rank(level: Level) -> int:
    return LEVELS.index(level)
