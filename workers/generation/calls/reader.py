"""The walk that all families share: text, a marker, a call, what closes it, text again.

A call that breaks before its name was told is text, marker and all. One that breaks later can't be taken back: it
doesn't end as a whole one, and the rest of it, up to what closes it or opens another, goes to its arguments as it was
written, which are no whole JSON value then. So it is when the answer ends inside a call (`max_tokens`). A name that was
not offered is still a call where a marker said so: clients answer it with an error that the model can use. Without a
marker only offered names count. Once an answer has had a call, markers that belong to none are dropped from its text.

White space at the start of an answer and after a call is the template's when a call or the end follows, else text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from shared.messages import Tool
from workers.generation.calls.format import Arguments, CallBegins, CallEnds, Piece, Text
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.source import BrokenCallError, CutCallError, Source, Steps, earliest, overlap
from workers.generation.calls.wrapping import Wrapping

_SPACE = " \t\r\n"


class Reader:
    """One answer. `section` is how a family goes on after one of its `marks`; it ends after one call or several.

    `ends` close calls and sections wherever they stand, so they are longer than a character or two.
    """

    def __init__(
        self, marks: Sequence[str], section: Section, tools: Sequence[Tool] = (), ends: Sequence[str] = ()
    ) -> None:
        self.source = Source()
        self.tools = {tool.name: tool for tool in tools}
        self._marks = tuple(marks)
        self._ends = tuple(ends)
        self._section = section
        self._settled = False  # something of the section was told
        self._open = False  # a call was begun, not ended
        self._passed: list[str] = []  # of its arguments
        self._wrapping = Wrapping(None)
        self._frame = True  # at the start or after a call, where white space is the template's
        self._called = False
        self._reported = False  # the answer has had a call, whole or not
        self._margin = 0  # white space before the marker, which is the template's if this is a call
        self._fresh = True  # the line has only white space so far
        self._ids: set[str] = set()
        self._steps = self.answer()

    def feed(self, text: str) -> list[Piece]:
        self.source.add(text)
        return self._run()

    def finish(self) -> list[Piece]:
        self.source.ended = True
        return self._run()

    def _run(self) -> list[Piece]:
        pieces: list[Piece] = []
        for piece in self._steps:
            if piece is None:
                break
            pieces.append(piece)
        return pieces

    @property
    def marks(self) -> tuple[str, ...]:
        """What opens calls and sections; a single character does so only where a line begins."""
        return self._marks

    @property
    def ends(self) -> tuple[str, ...]:
        """What closes them."""
        return self._ends

    # ------------------------------------------------------------------ what a section uses
    def begin(self, name: str, call_id: str | None = None) -> Steps[None]:
        if not name or not _encodes(name + (call_id or "")):
            raise BrokenCallError(name)
        self._settled, self._open, self._passed, self._reported = True, True, [], True
        self._wrapping = Wrapping(self.tools.get(name))
        self.source.commit()
        call_id = None if call_id in self._ids else call_id
        self._ids.update([call_id] if call_id else [])
        yield CallBegins(name, call_id)

    def pass_on(self, text: str) -> Steps[None]:
        """More arguments; what was read for them is settled."""
        self.source.commit()
        if text:
            self._passed.append(text)
            yield from self._tell(self._wrapping.add(text))

    def end(self) -> Steps[None]:
        self._open = False
        self.source.commit()
        yield from self._tell(self._wrapping.end())
        yield CallEnds()

    def _tell(self, arguments: str) -> Steps[None]:
        if arguments:
            yield Arguments(arguments)

    def close(self, *ends: str) -> Steps[bool]:
        """Takes one of the markers that close a call, if one comes next; otherwise nothing."""
        self.source.commit()
        yield from self.source.space()
        found = yield from self.source.first_of(ends)
        if found is None:
            self.source.rewind()
        self.source.commit()
        return found is not None

    def another(self, mark: str) -> Steps[bool]:
        """Takes what opens another call of the section, if it comes next; it is settled with that call."""
        self.source.commit()
        yield from self.source.space()
        if (yield from self.source.follows(mark)):
            return True
        self.source.rewind()
        return False

    def stream(self, value: JsonStream) -> Steps[None]:
        """Passes one JSON value on as arguments."""
        while not value.done:
            out, used = value.feed(self.source.rest, self.source.ended)
            self.source.skip(used)
            if used or out:
                yield from self.pass_on(out)
            elif value.broken:
                raise BrokenCallError("arguments")
            else:
                yield from self._more()

    def collect(self, value: JsonStream | None = None, parts: list[str] | None = None) -> Steps[str]:
        """Takes one JSON value; returns it as JSON text. `parts` keeps what there is of one that is cut."""
        value = value or JsonStream()
        parts = [] if parts is None else parts
        while not value.done:
            out, used = value.feed(self.source.rest, self.source.ended)
            self.source.skip(used)
            parts.append(out)
            if value.broken:
                raise BrokenCallError("value")
            if not used and not out:
                yield from self._more()
        return "".join(parts).strip()

    def _more(self) -> Steps[None]:
        if self.source.ended:
            raise CutCallError("value")
        yield None

    # ------------------------------------------------------------------ the walk
    def answer(self) -> Steps[None]:
        while (mark := (yield from self._text())) is not None:
            yield from self.attempt(mark)

    def attempt(self, mark: str) -> Steps[None]:
        """Reads what follows as a section, and gives it back as text if it is none."""
        self._settled = self._open = False
        try:
            self.source.skip(self._margin + len(mark))
            if self._is_markup(mark):
                yield from self._repeated(mark)
            yield from self._section(self, mark)
            self.source.commit()
            self._frame = self._called = self._fresh = True
        except BrokenCallError as error:
            yield from self._broken(mark, isinstance(error, CutCallError))

    def _broken(self, mark: str, cut: bool) -> Steps[None]:
        """Gives back what was read since the last piece: it is read again as text."""
        self.source.rewind()
        if not self._settled and self._reported and self._is_markup(mark):
            self.source.skip(self._margin + len(mark))
            self.source.commit()
        elif not self._settled:
            yield from self._say(self._margin + len(mark))
        else:
            if self._open:
                yield from self._rest_of_call(mark, cut)
            self._frame = self._called = self._fresh = True

    def _rest_of_call(self, mark: str, cut: bool) -> Steps[None]:
        """What is left of a call that broke goes to its arguments; of one that nothing closes, the line.

        The call is whole after all if just its last brace was out of place.
        """
        stops = () if cut else (*self._ends, *(other for other in self._marks if len(other) > 1))
        if not cut and not (self._is_markup(mark) and self._ends):
            stops = (*stops, "\n")
        begun = bool(self._passed)
        yield from self._tell(self._wrapping.rest())
        while True:
            rest = self.source.rest
            found = earliest(rest, stops)
            sure = found[0] if found else len(rest) - (0 if self.source.ended else overlap(rest, stops))
            told = rest[:sure] if self._passed else rest[:sure].lstrip(_SPACE + "{")
            self.source.skip(sure)
            self.source.commit()
            if told and (begun or not cut):
                self._passed.append(told)
                yield Arguments(told)
            if found or self.source.ended:
                whole = is_object("".join(self._passed))
                if found or whole:
                    yield CallEnds(whole)
                return
            yield None

    def _is_markup(self, mark: str) -> bool:
        return mark in self._marks and len(mark) > 1

    def _repeated(self, mark: str) -> Steps[None]:
        """A marker that is written more than once counts once."""
        while True:
            before = self.source.position
            yield from self.source.space()
            if not (yield from self.source.follows(mark)):
                self.source.skip(before - self.source.position)
                return

    def _text(self) -> Steps[str | None]:
        """Passes text on up to a marker, which is returned untaken; None at the end."""
        while True:
            rest = self.source.rest
            found, stray = self.find(rest), earliest(rest, self._ends) if self._reported else None
            if stray is not None and (found is None or stray[0] < found[0]):
                yield from self._drop(*stray)
                continue
            sure = found[0] if found else len(rest) if self.source.ended else len(rest) - self.held(rest)
            if self._frame and not rest[:sure].strip(_SPACE):
                if found:
                    self._margin = sure
                    return found[1]
                if not self.source.ended:
                    sure = 0
                elif self._called:
                    self.source.skip(sure)
                    sure = 0
            yield from self._say(sure)
            if found:
                self._margin = 0
                return found[1]
            if self.source.ended:
                return None
            yield None

    def _drop(self, at: int, mark: str) -> Steps[None]:
        """Takes a marker that closes nothing; the text before it, unless it is the template's space, is text."""
        if self._frame and not self.source.rest[:at].strip(_SPACE):
            self.source.skip(at)
        else:
            yield from self._say(at)
        self.source.skip(len(mark))
        self.source.commit()

    def _say(self, count: int) -> Steps[None]:
        if count:
            text = self.source.rest[:count]
            self.source.skip(count)
            self.source.commit()
            self._frame = False
            line = text.rpartition("\n")
            self._fresh = (self._fresh or bool(line[1])) and not line[2].strip()
            yield Text(text)

    def find(self, text: str) -> tuple[int, str] | None:
        """The first marker in text and where it is."""
        return earliest(text, self._marks)

    def held(self, text: str) -> int:
        """How many of the last characters may still become a marker."""
        return overlap(text, (*self._marks, *self._ends) if self._reported else self._marks)


Section: TypeAlias = Callable[[Reader, str], Steps[None]]


def _encodes(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def is_object(text: str) -> bool:
    """Whether a text is one JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class BareReader(Reader):
    """Some marks begin a call only at the start of a line: calls without markers."""

    def __init__(
        self,
        marks: Sequence[str],
        bare: Sequence[str],
        section: Section,
        tools: Sequence[Tool] = (),
        ends: Sequence[str] = (),
    ) -> None:
        super().__init__(marks, section, tools, ends)
        self._bare = tuple(bare)
        self._bare_line = re.compile(rf"^[ \t\r]*({'|'.join(map(re.escape, bare))})", re.MULTILINE)

    def find(self, text: str) -> tuple[int, str] | None:
        start = 0 if self._fresh else text.find("\n") + 1 or len(text)
        marked, bare = super().find(text), self._bare_line.search(text, start)
        if bare is None or (marked is not None and marked[0] < bare.start(1)):
            return marked
        return bare.start(1), bare[1]

    def held(self, text: str) -> int:
        _, newline, line = text.rpartition("\n")
        begun = line.lstrip(_SPACE) if newline or self._fresh else ""
        return max(super().held(text), len(begun) if any(mark.startswith(begun) for mark in self._bare) else 0)
