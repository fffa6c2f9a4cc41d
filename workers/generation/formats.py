"""The formats of one model's thoughts and calls, and what a request needs of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from shared.messages import Generate, TextPart
from workers.generation.calls.detect import GENERIC, by_name, detect_calls
from workers.generation.calls.format import CallFormat, CallReader
from workers.generation.detokenizer import Vocabulary
from workers.generation.output import RowOutput
from workers.generation.reasoning.families import reasoning_format
from workers.generation.reasoning.format import ReasoningFormat, ThoughtReader
from workers.generation.reasoning.in_front import InFront
from workers.generation.templates.template import ChatTemplate
from workers.generation.templates.traits import ToolUse
from workers.platform.sampling import SamplingParams

_TAIL = 32  # tokens; a template that opens a thought does so at the very end


class Formats:
    """Chosen once a model, by the names of its YAML, with what its chat template takes.

    `reasoning`, `calls` None: the model has none of its own, or they stay in the text.
    """

    def __init__(
        self, tokenizer: Any, vocab: Vocabulary, eos: Iterable[int], reasoning_parser: str, tool_call_parser: str
    ) -> None:
        self.reasoning: ReasoningFormat | None = reasoning_format(reasoning_parser, tokenizer)
        self.calls: CallFormat | None = _call_format(tool_call_parser, tokenizer)
        self._calls_stay = tool_call_parser == "none"
        own = tool_call_parser if self._calls_stay else None if self.calls is None else self.calls.name
        self.template = ChatTemplate(tokenizer, own)
        self._tokenizer = tokenizer
        self._vocab = vocab
        self._eos = frozenset(eos)
        self._end_texts = {token: vocab.bytes_of(token).decode("utf-8", "replace") for token in self._eos}

    @property
    def capabilities(self) -> tuple[str, ...]:
        found = (("reasoning", self.reasoning), ("tools", self.calls))
        return tuple(name for name, has in found if has is not None)

    def prompt_end(self, work: Generate, tokens: Sequence[int]) -> str:
        """The text that decides whether the prompt has opened a thought, as `ReasoningFormat.opened` reads it.

        A message that is continued may have opened one long ago: its own markers decide.
        """
        if self.reasoning is not None and work.prompt.continue_final_message and work.prompt.messages:
            written = "".join(part.text for part in work.prompt.messages[-1].content if isinstance(part, TextPart))
            thoughts = self.reasoning.reader(opened=False)
            thoughts.feed(written)
            return self.reasoning.opening if thoughts.thinking else self.reasoning.answering
        return str(self._tokenizer.decode(list(tokens[-_TAIL:])))

    def output(self, work: Generate, choice: int, params: SamplingParams, prompt_end: str) -> RowOutput:
        """A row's output side."""
        thoughts = self._thoughts(work, prompt_end)
        calls = self._calls(work)
        markers: list[str] = []
        if self.reasoning is not None:  # kept where nobody reads them, too: raw means raw
            markers.extend(self.reasoning.markers)
        if calls is not None and (written := self.calls_of(work)) is not None:
            markers.extend(written.markers)
        detokenizer = self._vocab.detokenizer(
            skip_special=params.skip_special_tokens,
            first=not work.prompt.continue_final_message and bool(work.prompt.messages),
            keep=markers,
        )
        read = {*markers} if (thoughts is not None or calls is not None) and not _plain(work) else frozenset()
        return RowOutput(
            work.request,
            choice,
            params,
            detokenizer,
            thoughts,
            calls,
            self._eos,
            single=not work.parallel_tool_calls,
            forced=work.tool_choice == "required",
            ends={token: text for token, text in self._end_texts.items() if text in read},
            unclosed=None if thoughts is None else self._calls(work),
        )

    def calls_of(self, work: Generate) -> CallFormat | None:
        """The format of a request's calls: any model can be made to call, in a format of ours if it has none."""
        if self._calls_stay:
            return GENERIC if work.tool_choice == "required" else None
        return GENERIC if self.template.tool_use is ToolUse.SPOKEN else self.calls

    def _thoughts(self, work: Generate, prompt_end: str) -> ThoughtReader | None:
        if self.reasoning is None or not work.parse_reasoning:
            return None
        reader = self.reasoning.reader(self.reasoning.opened(prompt_end))
        return InFront(reader) if _plain(work) else reader

    def _calls(self, work: Generate) -> CallReader | None:
        calls = self.calls_of(work)
        if calls is None or not (work.parse_tools and work.prompt.tools):
            return None
        return calls.reader(work.prompt.tools)


def _plain(work: Generate) -> bool:
    """Whether the answer is bound to a grammar's text."""
    return work.grammar is not None and not work.prompt.tools


def _call_format(name: str, tokenizer: Any) -> CallFormat | None:
    if name == "none":
        return None
    return detect_calls(tokenizer) if name == "auto" else by_name(name)
