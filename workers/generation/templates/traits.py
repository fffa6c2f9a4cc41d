"""What one chat template takes, and what follows for tools: data and decisions, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Calls(Enum):
    """What a template does with the calls and the tools' results of a history."""

    RENDERED = auto()
    RESULTS_ONLY = auto()
    DROPPED = auto()
    REFUSED = auto()


class ToolUse(Enum):
    """How tools reach a model. Only with SPOKEN are calls written in a format that isn't the model's own."""

    NATIVE = auto()  # the template does it all
    DESCRIBED = auto()  # it writes calls and results; the tools are told in the system text
    SPOKEN = auto()  # all of it is text


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """The defaults are those of a template that takes everything, and so of one that can't be asked."""

    parts: bool = False  # content has to be a list of parts
    system: bool = True  # a system message in front, at every turn that follows
    systems: bool = True  # two in a row
    later_system: bool = True  # one behind the first turn
    repeated_user: bool = True  # two turns of a role in a row
    repeated_assistant: bool = True
    assistant_first: bool = True
    empty_assistant: bool = True
    userless: bool = True  # a conversation without any user turn, and tools are told in one
    tools: bool = True  # definitions of tools are written
    systemless_tools: bool = True  # without a system message, too
    calls: Calls = Calls.RENDERED
    object_arguments: bool = True  # a call's arguments as an object
    text_arguments: bool = True  # as JSON text, written as it is
    no_content: bool = False  # calls are written only where there is no content
    calls_beside_text: bool = True
    parallel_calls: bool = True
    media_results: bool = True  # media in a tool's result get a place
    nameless_results: bool = True  # a result needs no name of its tool
    loose_results: bool = True  # calls and results that aren't one to one
    any_call_id: bool = True  # false: nine letters and digits, as Mistral has them
    bridge: str | None = None  # what the assistant has to say between a tool's result and a user turn

    @property
    def needs(self) -> tuple[str, ...]:
        """The traits that differ from those of a template that takes everything."""
        plain = TemplateTraits()
        return tuple(name for name in self.__dataclass_fields__ if getattr(self, name) != getattr(plain, name))


def tool_use(traits: TemplateTraits, knows_format: bool) -> ToolUse:
    """`traits` are those of the template that gets tools, `knows_format`: there is a reader for the model's calls."""
    if not knows_format or traits.calls in (Calls.REFUSED, Calls.DROPPED):
        return ToolUse.SPOKEN
    if traits.tools:
        return ToolUse.NATIVE
    return ToolUse.DESCRIBED if traits.calls is Calls.RENDERED else ToolUse.SPOKEN
