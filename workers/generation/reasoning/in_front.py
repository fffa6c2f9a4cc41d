"""A thought in front of an answer and nowhere else."""

from __future__ import annotations

from workers.generation.reasoning.format import Channel, ThoughtReader


class InFront:
    """For answers that a grammar binds: once one has begun, it is never read as markup, whatever its texts quote."""

    def __init__(self, reader: ThoughtReader) -> None:
        self._reader = reader
        self._answering = False

    @property
    def thinking(self) -> bool:
        return not self._answering and self._reader.thinking

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        out: list[tuple[Channel, str]] = []
        for at, char in enumerate(text):
            if self._answering:
                return [*out, ("answer", text[at:])]
            out.extend(self._reader.feed(char))
            if out and out[-1][0] == "answer" and out[-1][1].strip():
                self._answering = True
                out.extend(self._reader.finish())
        return out

    def finish(self) -> list[tuple[Channel, str]]:
        return [] if self._answering else self._reader.finish()
