"""Which parts of a model's text are reasoning, tool calls or the answer: mlx-lm's state machine on its markers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from mlx_lm.generate import make_text_state_machine

_TAIL = 8  # a template that opens the thought does so in its last tokens


class Segments:
    """Machines for one tokenizer, made once per combination of what is parsed."""

    def __init__(self, tokenizer: Any, reasoning: bool, tools: bool) -> None:
        self._tokenizer = tokenizer
        self.reasoning = reasoning and tokenizer.has_thinking
        self.tools = tools and tokenizer.has_tool_calling
        self._machines: dict[tuple[bool, bool], Any] = {}

    def machine(self, reasoning: bool, tools: bool) -> Any:
        """The machine for a request that wants its reasoning and its tool calls apart from the text, or not."""
        key = (reasoning and self.reasoning, tools and self.tools)
        if key not in self._machines:
            t = self._tokenizer
            self._machines[key] = make_text_state_machine(
                SimpleNamespace(
                    has_thinking=key[0],
                    think_start=t.think_start,
                    think_end=t.think_end,
                    has_tool_calling=key[1],
                    tool_call_start=t.tool_call_start,
                    tool_call_end=t.tool_call_end,
                    structural_markers=t.structural_markers,
                    response_transitions=t.response_transitions,
                )
            )
        return self._machines[key]

    def state(self, machine: Any, prompt: Sequence[int]) -> Any:
        """Where the machine starts: in a thought when the prompt has opened one."""
        initial = self._tokenizer.response_initial_state or "normal"
        if "reasoning" in machine._states and self._tokenizer.think_start_tokens:
            tail = list(prompt[-_TAIL:])
            opened = self._tokenizer.rfind_think_start(tail)
            if opened >= 0 and opened > self._tokenizer.rfind_think_end(tail):
                initial = "reasoning"
        return machine.make_state(initial)
