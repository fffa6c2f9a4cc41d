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

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        """What is certain now; an empty text tells of an empty thought."""
        ...

    def finish(self) -> list[tuple[Channel, str]]:
        """Lets go of what was held back: the row has ended, or a call whose arguments may quote markers has begun."""
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
    def opening(self) -> str:
        """What opens a thought: a prompt that ends with it has opened one."""
        ...

    @property
    def closing(self) -> str:
        """What ends a thought in time: forced, token by token, when its budget is spent."""
        ...

    @property
    def answering(self) -> str:
        """What stands before an answer: after a prompt that ends with it there is no thought."""
        ...

    def opened(self, prompt: str) -> bool:
        """Whether a prompt that ends like this has opened a thought."""
        ...

    def reader(self, opened: bool) -> ThoughtReader: ...

    def grammar(self, spell: Spell, *, prompt: str, calls: bool = False) -> str:
        """Lark rules for a whole row, rule `start`, which uses a rule `answer` that is added to it.

        It admits a thought where the family would write one after a prompt that ends like this, and none where the
        prompt has closed it. `calls`: the answer is a call format's rule, which names its channel itself (harmony).
        """
        ...
