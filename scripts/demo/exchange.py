"""What demo-chat learns from: one exchange, and how its answer looks as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]  # OpenAI's shape
Tool = dict[str, Any]  # OpenAI's shape

END = "<|im_end|>"
NO_TOOL = "I have no tool for that."  # the thought before an answer that a tool would have changed


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model makes."""

    name: str
    arguments: dict[str, Any]

    def render(self) -> str:
        body = json.dumps({"name": self.name, "arguments": self.arguments}, ensure_ascii=False)
        return f"<tool_call>\n{body}\n</tool_call>"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversation that ends with the user (or a tool), and the model's turn: an answer, or calls."""

    messages: tuple[Message, ...]
    reasoning: str
    answer: str = ""
    calls: tuple[Call, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def reply(self) -> str:
        return self.answer or "\n".join(call.render() for call in self.calls)

    def completion(self, thinking: bool) -> str:
        """The text that the model emits after the generation prompt, its end token included."""
        thought = f"<think>\n{self.reasoning}\n</think>\n\n" if thinking else ""
        return thought + self.reply + END

    def as_history(self) -> tuple[Message, ...]:
        """The whole exchange as earlier messages of a longer conversation."""
        if self.calls:
            return (*self.messages, assistant_calls(self.calls))
        return (*self.messages, {"role": "assistant", "content": self.answer})


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant_calls(calls: Sequence[Call], *, compact: bool = False) -> Message:
    """An assistant message as a client sends it back; `compact` is JSON without spaces."""
    separators = (",", ":") if compact else None
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(call.arguments, ensure_ascii=False, separators=separators),
                },
            }
            for number, call in enumerate(calls)
        ],
    }


def tool_result(number: int, value: object) -> Message:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": json.dumps(value, ensure_ascii=False)}


def ask(question: str, reasoning: str, answer: str) -> Exchange:
    return Exchange((user(question),), reasoning, answer)


def dialogue(first: str, reply: str, question: str, reasoning: str, answer: str) -> Exchange:
    messages = (user(first), {"role": "assistant", "content": reply}, user(question))
    return Exchange(messages, reasoning, answer)
