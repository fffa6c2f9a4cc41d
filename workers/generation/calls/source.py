"""The unread text of an answer, for readers written as generators.

A reader yields pieces, and None where it needs more text. It reads ahead freely; `commit` says that what was read is
settled. When a call breaks, everything since the last commit is given back and read again as text, so no decision
depends on how the text was split.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import TypeAlias, TypeVar

from workers.generation.calls.format import Piece

T = TypeVar("T")
Steps: TypeAlias = Generator[Piece | None, None, T]

_SPACE = " \t\r\n"
_WORD = re.compile(r"[^\s<>\[\](){}\"'=,;`|]*")


class BrokenCallError(Exception):
    """What was read is no call. Never leaves a reader."""


class CutCallError(BrokenCallError):
    """The answer ended in the middle of a call."""


class Source:
    def __init__(self) -> None:
        self.ended = False
        self._text = ""
        self._at = 0
        self._taken: list[str] | None = None

    def add(self, text: str) -> None:
        self._text += text

    @property
    def rest(self) -> str:
        return self._text[self._at :]

    @property
    def position(self) -> int:
        """How much was read since the last commit."""
        return self._at

    def skip(self, count: int) -> None:
        self._at += count

    def commit(self) -> None:
        if self._taken is not None:
            self._taken.append(self._text[: self._at])
        self._text, self._at = self._text[self._at :], 0

    def record(self) -> None:
        """Keeps what is settled from now on."""
        self._taken = []

    def recorded(self) -> str:
        """What was settled since `record`."""
        text, self._taken = "".join(self._taken or ()), None
        return text

    def rewind(self) -> None:
        self._at = 0

    def peek(self) -> Steps[str]:
        """The next character, not taken; empty at the end of the answer."""
        while self._at >= len(self._text):
            if self.ended:
                return ""
            yield None
        return self._text[self._at]

    def space(self) -> Steps[str]:
        """Takes white space; returns the character after it, not taken."""
        while True:
            char = yield from self.peek()
            if not char or char not in _SPACE:
                return char
            self._at += 1

    def follows(self, text: str) -> Steps[bool]:
        """Whether the answer goes on with `text`, which is taken if so."""
        while not (rest := self.rest).startswith(text):
            if self.ended or not text.startswith(rest):
                return False
            yield None
        self._at += len(text)
        return True

    def first_of(self, texts: Sequence[str]) -> Steps[str | None]:
        """Which of some texts the answer goes on with: the longest that fits, which is taken."""
        for text in sorted(texts, key=len, reverse=True):
            if (yield from self.follows(text)):
                return text
        return None

    def expect(self, text: str) -> Steps[None]:
        if not (yield from self.follows(text)):
            raise CutCallError(text) if self.ended and text.startswith(self.rest) else BrokenCallError(text)

    def word(self) -> Steps[str]:
        """Takes a name: what stands before white space, punctuation or a marker."""
        while True:
            rest = self.rest
            size = len(_WORD.match(rest)[0])  # type: ignore[index]
            if size < len(rest) or self.ended:
                self._at += size
                return rest[:size]
            yield None

    def first_call(self, mark: str, end: str) -> Steps[None]:
        """Takes what opens a section's first call, and what stands before it. Broken if the section ends instead."""
        if (yield from self.until(mark, end))[1] == end:
            raise BrokenCallError(end)

    def until(self, *ends: str) -> Steps[tuple[str, str]]:
        """Takes the text up to the first of `ends` and the end itself; returns both. Cut if none comes."""
        start = 0
        while True:
            rest = self.rest
            if (found := earliest(rest, ends, start)) is not None:
                at, end = found
                self._at += at + len(end)
                return rest[:at], end
            if self.ended:
                raise CutCallError(ends[0])
            start = max(0, len(rest) - max(map(len, ends)) + 1)
            yield None


def earliest(text: str, marks: Sequence[str], start: int = 0) -> tuple[int, str] | None:
    """The first mark in a text and its position; of several at one place the longest."""
    found = [(at, -len(mark), mark) for mark in marks if (at := text.find(mark, start)) >= 0]
    if not found:
        return None
    at, _, mark = min(found)
    return at, mark


def overlap(text: str, marks: Sequence[str]) -> int:
    """Length of the longest end of `text` with which one of `marks` begins."""
    return max((_overlap(text, mark) for mark in marks), default=0)


def _overlap(text: str, mark: str) -> int:
    """From one occurrence of the mark's first character to the next: most text has none."""
    at = text.find(mark[0], max(0, len(text) - len(mark) + 1))
    while at >= 0 and not mark.startswith(text[at:]):
        at = text.find(mark[0], at + 1)
    return len(text) - at if at >= 0 else 0
