"""Stop strings, which look at the answer only."""

from __future__ import annotations

from collections.abc import Sequence

from workers.generation.calls.source import earliest, overlap


class StopStrings:
    """Finds the first of some strings in text that arrives in pieces."""

    def __init__(self, stops: Sequence[str], include: bool) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._held = ""

    def feed(self, text: str) -> tuple[str, str | None]:
        """Text that is certain not to belong to a stop string, and the stop string that was met."""
        if not self._stops:
            return text, None
        self._held += text
        if (found := earliest(self._held, self._stops)) is not None:
            at, stop = found
            out = self._held[: at + len(stop) if self._include else at]
            self._held = ""
            return out, stop
        keep = overlap(self._held, self._stops)
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return out, None

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held
