"""Voices: which ones a folder has, and what a request's `voice` means.

A name is looked up among the folder's files, which are listed once; it never becomes a path or a download.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from shared.errors import InvalidRequest

_PART = re.compile(r"\s*([A-Za-z0-9_-]{1,64})\s*(?:\(\s*([0-9.]{1,12})\s*\))?\s*")
_MOST_PARTS = 8
_PREFERRED = ("af_heart", "af_bella")

# OpenAI's voices, each with one of Kokoro's that resembles it.
_OPENAI = {
    **{"alloy": "af_alloy", "ash": "am_michael", "ballad": "bm_george", "cedar": "am_fenrir", "coral": "af_aoede"},
    **{"echo": "am_echo", "fable": "bm_fable", "marin": "af_heart", "nova": "af_nova", "onyx": "am_onyx"},
    **{"sage": "af_sarah", "shimmer": "af_bella", "verse": "am_puck"},
}


@dataclass(frozen=True, slots=True)
class Blend:
    """Voices with their shares, which add up to 1."""

    parts: tuple[tuple[str, float], ...]

    @property
    def first(self) -> str:
        return self.parts[0][0]


class Voices:
    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        self.default = next((name for name in (*_PREFERRED, *self.names) if name in self.names), "")

    def resolve(self, asked: str | None) -> Blend:
        """`name`, `a+b` or `a(2)+b(1)`; None: the default. Raises InvalidRequest."""
        if asked is None:
            return Blend(((self.default, 1.0),))
        pieces = asked.split("+")
        if len(pieces) > _MOST_PARTS:
            raise InvalidRequest(f"voice blends {len(pieces)} voices; {_MOST_PARTS} are the most", param="voice")
        shares: dict[str, float] = {}
        for piece in pieces:
            name, weight = self._part(piece)
            shares[name] = shares.get(name, 0.0) + weight
        total = sum(shares.values())
        return Blend(tuple((name, weight / total) for name, weight in shares.items()))

    def _part(self, piece: str) -> tuple[str, float]:
        match = _PART.fullmatch(piece)
        if match is None:
            raise InvalidRequest(
                f"voice can't be read at {piece[:40]!r}: write a name, or a blend such as af_heart(2)+am_adam(1)",
                param="voice",
            )
        return self._name(match[1]), _weight(match[2])

    def _name(self, asked: str) -> str:
        if asked in self.names:
            return asked
        if asked in _OPENAI:
            return _OPENAI[asked] if _OPENAI[asked] in self.names else self.default
        near = get_close_matches(asked, self.names, n=3) or list(self.names[:3])
        raise InvalidRequest(f"there is no voice {asked!r}; near it: {', '.join(near)}", param="voice")


def _weight(text: str | None) -> float:
    try:
        weight = 1.0 if text is None else float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1000:
        raise InvalidRequest(f"a voice's weight is {text}; it must be above 0 and at most 1000", param="voice")
    return weight
