"""What the rest of the engine knows of a family's thoughts."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from workers.generation.calls.format import Spell

Channel: TypeAlias = Literal["reasoning", "answer"]


class ThoughtReader(Protocol):
    """Divides one row's text, in pieces of any size, into thought and answer; markup of neither is dropped."""

    @property
    def thinking(self) -> bool:
        """Whether the next text belongs to a thought."""
        ...

    def feed(self, text: str) -> list[tuple[Channel, str]]: ...

    def finish(self) -> list[tuple[Channel, str]]:
        """The row has ended: lets go of what was held back."""
        ...


class ReasoningFormat(Protocol):
    @property
    def name(self) -> str:
        """As in `shared.families`."""
        ...

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts that mark thoughts; the detokenizer keeps them even where they are special tokens."""
        ...

    @property
    def closing(self) -> str:
        """What ends a thought in time: forced, token by token, when its budget is spent."""
        ...

    def opened(self, prompt: str) -> bool:
        """Whether a prompt that ends like this has opened a thought."""
        ...

    def reader(self, opened: bool) -> ThoughtReader: ...

    def grammar(self, spell: Spell, *, prompt: str) -> str:
        """Lark rules for a whole row, rule `start`, which uses a rule `answer` that is added to it.

        It admits a thought where the family would write one after a prompt that ends like this, and none where the
        prompt has closed it.
        """
        ...
