"""A request on its way: its windows in order of time, and what they became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.messages import Segment, Transcribe, Usage, Word
from workers.transcription.segments import Attempt, Piece
from workers.transcription.source import Source
from workers.transcription.windows import RATE, Window

Cut = tuple[Window, NDArray[np.float32]]
"""A window and its spectrogram."""


@dataclass(frozen=True, slots=True)
class PreparedTranscribe:
    """`first` is the window that preprocessing has cut already; `prompt` are tokens."""

    work: Transcribe
    language: str | None
    source: Source
    first: Cut | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A segment before it gets its place in the file: seconds from the window's start."""

    piece: Piece
    text: str
    attempt: Attempt
    words: tuple[Word, ...] = ()


@dataclass(slots=True, eq=False)
class Part:
    """A window: waits, is decoded (perhaps several times), then holds its segments until their turn to leave."""

    job: Job
    window: Window
    mel: NDArray[np.float32] | None = None
    sound: Any = None  # encoded, [A, state]
    attempts: int = 0
    running: bool = False
    heard: tuple[Heard, ...] | None = None  # None until it is done

    @property
    def waits(self) -> bool:
        return not self.running and self.heard is None and (self.mel is not None or self.sound is not None)

    def finish(self, heard: Sequence[Heard]) -> None:
        self.heard = tuple(heard)
        self.mel = self.sound = None
        self.running = False


@dataclass(slots=True, eq=False)
class Job:
    """`language` None until it is named or detected; `turn` when it last got a place in the batch."""

    request: str
    work: Transcribe
    source: Source
    language: str | None
    parts: list[Part] = field(default_factory=list)
    fetching: bool = False
    ended: bool = False
    turn: int = 0
    segments: int = 0
    time: float = 0.0  # end of the last segment, seconds
    tokens: int = 0

    @property
    def waiting(self) -> Part | None:
        """The window to decode next. Until the language is known, one is decoded to tell it."""
        if self.language is None and any(part.running for part in self.parts):
            return None
        return next((part for part in self.parts if part.waits), None)

    @property
    def ahead(self) -> int:
        """Windows that hold samples: neither done nor yet decoded."""
        return sum(part.heard is None and not part.running for part in self.parts)

    @property
    def usage(self) -> Usage:
        return Usage(completion_tokens=self.tokens, audio_seconds=round(self.source.seconds, 3))

    def leave(self) -> list[Segment]:
        """Segments of the windows that are done, as far as none before them is missing. Times never go back."""
        leaving: list[Segment] = []
        while self.parts and (heard := self.parts[0].heard) is not None:
            offset = self.parts.pop(0).window.start / RATE
            leaving += [self._segment(offset, one) for one in heard]
        return leaving

    def _segment(self, offset: float, heard: Heard) -> Segment:
        start = max(self.time, _at(offset, heard.piece.start))
        self.time = end = max(start, _at(offset, heard.piece.end))
        self.segments += 1
        attempt = heard.attempt
        return Segment(
            request=self.request,
            index=self.segments - 1,
            start=start,
            end=end,
            text=heard.text,
            tokens=heard.piece.tokens,
            temperature=attempt.temperature,
            avg_logprob=attempt.avg_logprob,
            compression_ratio=attempt.compression_ratio,
            no_speech_prob=attempt.no_speech_prob,
            words=tuple(_placed(word, offset, start, end) for word in heard.words),
        )


def _at(offset: float, seconds: float) -> float:
    return round(offset + seconds, 3)


def _placed(word: Word, offset: float, start: float, end: float) -> Word:
    first = min(max(_at(offset, word.start), start), end)
    return Word(word.text, first, min(max(_at(offset, word.end), first), end), word.probability)


def next_part(jobs: Sequence[Job]) -> Part | None:
    """The window to decode next: of the request with the fewest running ones; of equals, the one served longest ago."""
    ready = [job for job in jobs if job.waiting is not None]
    if not ready:
        return None
    chosen = min(ready, key=lambda job: (sum(part.running for part in job.parts), job.turn))
    return chosen.waiting
