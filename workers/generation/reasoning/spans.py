"""Thoughts that stand between two markers: most families."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from workers.generation.calls.format import Spell
from workers.generation.calls.lark import TEXT, quote
from workers.generation.calls.source import earliest, overlap
from workers.generation.reasoning.format import Channel, ThoughtReader


@dataclass(frozen=True)
class Spans:
    """A family as data.

    `begins`, `ends`: a thought's markers, each as the atoms (special tokens and texts) that it consists of; all are
    read, the first is what the model is made to write. `leading`: a thought stands at the start of a row only.
    `frame`: markers around the answer, dropped where the answer begins and ends with them. `dropped`: markup without
    a meaning. `margin`: what is written before and after the marker that closes a thought.
    """

    name: str
    begins: tuple[tuple[str, ...], ...]
    ends: tuple[tuple[str, ...], ...]
    leading: bool = False
    frame: tuple[str, str] | None = None
    dropped: tuple[str, ...] = ()
    margin: tuple[str, str] = ("\n", "\n\n")

    @cached_property
    def starts(self) -> tuple[str, ...]:
        return tuple(map("".join, self.begins))

    @cached_property
    def stops(self) -> tuple[str, ...]:
        return tuple(map("".join, self.ends))

    @property
    def markers(self) -> tuple[str, ...]:
        return (*self.starts, *self.stops, *(self.frame or ()), *self.dropped)

    @property
    def opening(self) -> str:
        return self.starts[0]

    @property
    def closing(self) -> str:
        before, after = self.margin
        return before + self.stops[0] + after

    @property
    def answering(self) -> str:
        return self.closing

    def opened(self, prompt: str) -> bool:
        return prompt.rstrip().endswith(self.starts)

    def reader(self, opened: bool) -> ThoughtReader:
        return SpanReader(self, opened)

    def grammar(self, spell: Spell, *, prompt: str, calls: bool = False) -> str:
        if self.opened(prompt):
            return f"start: thought_body thought_gap answer\n{self._body(spell)}"
        if prompt.rstrip().endswith(self.stops):
            return "start: answer\n"
        begins = " | ".join(" ".join(map(spell, atoms)) for atoms in self.begins)
        return f"start: thought? answer\nthought: ({begins}) thought_body thought_gap\n{self._body(spell)}"

    def _body(self, spell: Spell) -> str:
        """A thought up to its end, marker included. Free text never matches special tokens."""
        special = [end for end in self.ends if not spell(end[0]).startswith('"')]
        plain = [quote("".join(end)) for end in self.ends if end not in special]
        options = [f"thought_text {' '.join(map(spell, end))}" for end in special]
        rules = "thought_gap: /\\n{0,2}/\n"
        if special:
            rules += f"thought_text: {TEXT}\n"
        if plain:
            options.append("thought_to_end")
            rules += f"thought_to_end[lazy]: {TEXT} ({' | '.join(plain)})\n"
        return f"thought_body: {' | '.join(options)}\n{rules}"


class SpanReader:
    def __init__(self, spans: Spans, opened: bool) -> None:
        self._spans = spans
        self._thinking = opened
        self._held = ""
        self._blank = True  # the segment has shown nothing but white space
        self._fresh = True  # still in the row's first segment
        self._framed = False

    @property
    def thinking(self) -> bool:
        return self._thinking

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        self._held += text
        out: list[tuple[Channel, str]] = []
        while (found := self._next()) is not None:
            at, marker = found
            before, self._held = self._held[:at], self._held[at + len(marker) :]
            if not (before.isspace() and marker in self._leading):
                self._tell(before, out)
            self._meet(marker, out)
        keep = self._undecided()
        certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        self._tell(certain, out)
        return out

    def finish(self) -> list[tuple[Channel, str]]:
        out: list[tuple[Channel, str]] = []
        self._tell(self._held, out)
        self._held = ""
        return out

    # ------------------------------------------------------------ which markers count where
    @property
    def _anywhere(self) -> tuple[str, ...]:
        spans = self._spans
        if self._thinking:
            return spans.stops
        begins = () if spans.leading else spans.starts
        frame = ("\n" + spans.frame[1], spans.frame[1]) if spans.frame and self._framed else ()
        return (*begins, *frame, *spans.dropped)

    @property
    def _leading(self) -> tuple[str, ...]:
        """Markers that count before the segment's first word; the white space before them goes with them.

        Models write again the marker that their prompt has written, be it the one that opens a thought or closes it.
        """
        spans = self._spans
        if not self._blank:
            return ()
        if self._thinking:
            return spans.starts if self._fresh else ()
        again = (*(spans.starts if spans.leading else ()), *spans.stops) if self._fresh else ()
        return (*again, spans.frame[0]) if spans.frame and not self._framed else again

    def _next(self) -> tuple[int, str] | None:
        if leading := self._leading:
            word = len(self._held) - len(self._held.lstrip())
            for marker in leading:
                if self._held.startswith(marker, word):
                    return word, marker
        return earliest(self._held, self._anywhere)

    def _undecided(self) -> int:
        if leading := self._leading:
            word = self._held.lstrip()
            if any(marker.startswith(word) for marker in leading):
                return len(self._held)
        return overlap(self._held, self._anywhere)

    # ------------------------------------------------------------ what they do
    def _meet(self, marker: str, out: list[tuple[Channel, str]]) -> None:
        spans = self._spans
        if spans.frame and marker.lstrip("\n") in spans.frame:
            self._framed = marker == spans.frame[0]
            self._blank = False
        elif marker in spans.dropped:
            return
        else:
            out.append(("reasoning", ""))  # an empty thought is one, too
            again = self._thinking and marker in spans.starts
            self._thinking = marker in spans.starts
            self._blank = not again
            self._fresh = False

    def _tell(self, text: str, out: list[tuple[Channel, str]]) -> None:
        if not text:
            return
        self._blank = self._blank and not text.strip()
        channel: Channel = "reasoning" if self._thinking else "answer"
        if out and out[-1][0] == channel:
            out[-1] = (channel, out[-1][1] + text)
        else:
            out.append((channel, text))
