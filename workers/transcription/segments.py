"""What a window's tokens mean, and whether to believe them. Pure.

Thresholds are those of openai/whisper, whisper/transcribe.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from workers.transcription.vocabulary import TICK

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_REPEATS = 2.4  # compression ratio of text that goes in circles
_UNSURE = -1.0  # average log-probability
_SILENT = 0.6  # probability of no speech


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decoding of one window. `tokens` without the end; `whole` unless it ran out of room."""

    tokens: tuple[int, ...]
    text: str
    temperature: float
    avg_logprob: float
    no_speech_prob: float
    whole: bool

    @property
    def compression_ratio(self) -> float:
        data = self.text.strip().encode()
        return len(data) / len(zlib.compress(data))

    @property
    def silent(self) -> bool:
        """There is no speech in it, whatever was written."""
        return self.no_speech_prob > _SILENT and self.avg_logprob < _UNSURE

    @property
    def doubtful(self) -> bool:
        """Worth another attempt at a higher temperature."""
        return not self.silent and (self.compression_ratio > _REPEATS or self.avg_logprob < _UNSURE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Seconds from the window's start; `closed` when the model said where it ends."""

    start: float
    end: float
    tokens: tuple[int, ...]
    closed: bool = True


def pieces(tokens: Sequence[int], first_timestamp: int, seconds: float) -> list[Piece]:
    """Text between timestamps; what has none at its end goes on to the window's end."""
    found: list[Piece] = []
    start, text = 0.0, list[int]()
    for token in tokens:
        if token < first_timestamp:
            text.append(token)
            continue
        time = min((token - first_timestamp) * TICK, seconds)
        if text:
            found.append(Piece(start, time, tuple(text)))
            text = []
        start = time
    if text:
        found.append(Piece(start, max(start, seconds), tuple(text), closed=False))
    return found


def unheard(attempt: Attempt, found: list[Piece]) -> tuple[list[Piece], float | None]:
    """The pieces to keep, and from where on (seconds) the window may have to be heard again.

    An attempt that ran out of room loses the piece that it couldn't end, unless that piece is all.
    """
    if not found:
        return found, None
    if found[-1].closed:
        return found, found[-1].end
    if attempt.whole or len(found) == 1:
        return found, None
    return found[:-1], found[-1].start
