"""What the doctor says: one line about one matter, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is empty where nothing has to be done."""

    matter: str
    level: Level
    words: str
    advice: str = ""


def ok(matter: str, words: str) -> Finding:
    return Finding(matter, "ok", words)


def warning(matter: str, words: str, advice: str) -> Finding:
    return Finding(matter, "warning", words, advice)


def problem(matter: str, words: str, advice: str) -> Finding:
    return Finding(matter, "problem", words, advice)
