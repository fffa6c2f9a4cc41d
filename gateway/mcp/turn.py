"""One turn of the model: what of it the client sees at once, and what the loop has to know at its end. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.mcp.events import AnswerEvent, ServerCallArguments, ServerCallBegins, ServerTool
from shared.messages import (
    Accepted,
    ChatMessage,
    ChoiceFinished,
    Finished,
    PromptEcho,
    ReasoningDelta,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
)


@dataclass(slots=True)
class Call:
    """A call of a server's tool. `id` is the worker's, for the prompt; `shown` is unique in the answer."""

    id: str
    shown: str
    name: str
    tool: ServerTool
    pieces: list[str] = field(default_factory=list)

    def parsed(self) -> dict[str, Any] | None:
        """The arguments; none at all are an empty object. None for text that is no JSON object."""
        try:
            found = json.loads("".join(self.pieces) or "{}")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def to_wire(self) -> ToolCall:
        """For the next prompt, as the model wrote it."""
        return ToolCall(self.id, self.name, "".join(self.pieces) or "{}")


class Turn:
    """Folds a turn's events. `offered` are the servers' tools by the names that the model knows."""

    def __init__(self, request: str, first: bool, offered: Mapping[str, ServerTool], new_id: Callable[[], str]) -> None:
        """`first`: its prompt is the answer's prompt, so that `Accepted` and `PromptEcho` are shown."""
        self.finished: ChoiceFinished | None = None
        self.calls: dict[int, Call] = {}
        self._request = request
        self._first = first
        self._offered = offered
        self._new_id = new_id
        self._client_calls: dict[int, int] = {}
        self._texts: list[str] = []
        self._thoughts: list[str] = []

    @property
    def has_client_calls(self) -> bool:
        return bool(self._client_calls)

    def feed(self, event: AnswerEvent) -> list[AnswerEvent]:
        """What the client gets for an event; the turn's end is the loop's to show."""
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        if isinstance(event, ChoiceFinished):
            self.finished = replace(event, request=self._request)
            return []
        if isinstance(event, Finished) or (isinstance(event, Accepted | PromptEcho) and not self._first):
            return []
        if isinstance(event, TextDelta):
            self._texts.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._thoughts.append(event.text)
        return [replace(event, request=self._request)]

    def message(self) -> ChatMessage:
        """The turn as the next prompt has it."""
        text = "".join(self._texts)
        return ChatMessage(
            "assistant",
            (TextPart(text),) if text else (),
            reasoning="".join(self._thoughts) or None,
            tool_calls=tuple(call.to_wire() for call in self.calls.values()),
        )

    def _call(self, event: ToolCallDelta) -> list[AnswerEvent]:
        call = self.calls.get(event.call)
        if call is not None:
            return self._arguments(call, event.arguments)
        tool = self._offered.get(event.name) if event.name is not None else None
        if tool is None or event.name is None:
            number = self._client_calls.setdefault(event.call, len(self._client_calls))
            return [replace(event, request=self._request, call=number)]
        shown = self._new_id()
        call = self.calls[event.call] = Call(event.id or shown, shown, event.name, tool)
        begins = ServerCallBegins(self._request, shown, tool.server, tool.name)
        return [begins, *self._arguments(call, event.arguments)]

    def _arguments(self, call: Call, text: str) -> list[AnswerEvent]:
        if not text:
            return []
        call.pieces.append(text)
        return [ServerCallArguments(self._request, call.shown, text)]
