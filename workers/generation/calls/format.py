"""What the rest of the engine knows of a family's tool calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from shared.messages import Tool


@dataclass(frozen=True, slots=True)
class Text:
    """Text that belongs to no call."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegins:
    """Comes as soon as the name is known; `id` where the family writes one."""

    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Arguments:
    """More of the JSON text of the call that has begun."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEnds:
    """The call is over. `whole`: its pieces are one JSON object; a call with which the answer ends may lack its end."""

    whole: bool = True


Piece: TypeAlias = Text | CallBegins | Arguments | CallEnds
Spell: TypeAlias = Callable[[str], str]
"""A marker's text as an atom of a Lark grammar: a quoted string, or a reference to the special token it is."""


class CallReader(Protocol):
    """Reads one answer, the thought already taken off, in pieces of any size."""

    def feed(self, text: str) -> list[Piece]:
        """What is certain now; text that may still become a marker is held back."""
        ...

    def finish(self) -> list[Piece]:
        """The answer has ended: lets go of what was held back. Nothing is lost, markup of no call is text."""
        ...


class CallFormat(Protocol):
    @property
    def name(self) -> str:
        """As in `shared.families`."""
        ...

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts that mark calls; the detokenizer keeps them even where they are special tokens."""
        ...

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        """A reader for one answer; the tools' schemas give untyped arguments their types."""
        ...

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        """llguidance's Lark for an answer, rules only, the answer being rule `answer`.

        `tools` are those that may be called. `required`: one call (or, if `parallel`, one or more) and nothing else;
        every call's arguments are valid. Not required: any text and calls; calls of strict tools are valid.
        """
        ...
