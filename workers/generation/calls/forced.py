"""The calls of an answer that has to be calls: whole ones only, and none twice."""

from __future__ import annotations

import json
from collections.abc import Iterator

from workers.generation.calls.format import Arguments, CallBegins, CallEnds, Piece, Text


class ForcedCalls:
    """One answer's. The first call is handed on as it is written, later ones once they are whole.

    A model that likes to repeat would call until its context is full: `repeated` says that a whole call is one that the
    answer has already, which is kept back.
    """

    def __init__(self) -> None:
        self.repeated = False
        self._held: list[Piece] = []
        self._name = ""
        self._arguments: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    def feed(self, piece: Piece) -> Iterator[Piece]:
        if isinstance(piece, CallBegins):
            self._name, self._arguments = piece.name, []
        elif isinstance(piece, Arguments):
            self._arguments.append(piece.text)
        if not self._seen and not isinstance(piece, CallEnds):
            yield piece
        elif isinstance(piece, CallEnds):
            yield from self._end(piece)
        elif isinstance(piece, Text):
            yield from self._let_go()
            yield piece
        else:
            if isinstance(piece, CallBegins):
                yield from self._let_go()
            self._held.append(piece)

    def _end(self, piece: CallEnds) -> Iterator[Piece]:
        if not piece.whole:
            if not self._seen:
                yield piece  # it has been told
            self._held = []
            return
        call = self._name, _canonical("".join(self._arguments))
        if call in self._seen:
            self.repeated = True
            self._held = []
            return
        self._seen.add(call)
        yield from self._let_go()
        yield piece

    def _let_go(self) -> Iterator[Piece]:
        yield from self._held
        self._held = []


def _canonical(arguments: str) -> str:
    """Equal for equal values, however they are spaced."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments
