"""A request's text as segments of phonemes, made one ahead of the model: a long text costs what is spoken of it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

from workers.speech.text import last_pause, pieces

LONGEST = 250  # phonemes, about 15 seconds: beyond 400 Kokoro begins to rush, and a step should be short
_FIRST = 100  # the first segment is short, so that sound starts soon
_PAUSES = re.compile(r"[.!?…;:,—]+[”\")]*\s*|\s+")
_SILENT = frozenset(";:,.!?…—\"()“” ˈˌː→↓↗↘'-")


class Script:
    """`take` gives the next segment of at most `longest` phonemes, None at the end. `phonemise` runs on demand."""

    def __init__(
        self,
        text: str,
        phonemise: Callable[[str], str],
        alphabet: frozenset[str],
        longest: int = LONGEST,
        speed: float = 1.0,
    ) -> None:
        self._phonemise = phonemise
        self._alphabet = alphabet
        self._pieces: Iterator[str] = pieces(text)
        self._ready: deque[str] = deque()
        # Slow speech takes more frames a phoneme: the steps stay as long.
        self._longest = max(1, int(longest * min(1.0, speed)))
        self._limit = min(_FIRST, self._longest)

    def take(self) -> str | None:
        self._fill()
        return self._ready.popleft() if self._ready else None

    @property
    def done(self) -> bool:
        """Whether `take` has nothing more; phonemises the next piece to find out."""
        self._fill()
        return not self._ready

    def _fill(self) -> None:
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return
            for segment in self._segments(piece):
                self._ready.append(segment)
                self._limit = self._longest

    def _segments(self, piece: str) -> Iterator[str]:
        known = "".join(sign for sign in self._phonemise(piece) if sign in self._alphabet)
        rest = re.sub(r"\s+", " ", known).strip()
        while rest:
            at = len(rest) if len(rest) <= self._limit else last_pause(rest, self._limit, _PAUSES)
            segment, rest = rest[:at].strip(), rest[at:].strip()
            if any(sign not in _SILENT for sign in segment):
                yield segment
