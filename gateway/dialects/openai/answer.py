"""Deltas of the wire to OpenAI's answers. One `Piece` a delta serves the stream and the single answer alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.openai.server_tools import ServerCalls
from gateway.mcp.events import AnswerEvent, ServerEvent
from shared.errors import InternalError
from shared.messages import (
    Accepted,
    Alternative,
    ChoiceFinished,
    Delta,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What every object of one answer repeats. `created` is in seconds since 1970."""

    id: str
    created: int
    model: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What one delta adds to one choice, in OpenAI's names."""

    choice: int
    delta: dict[str, Any] = field(default_factory=dict)
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: str | None = None
    stop_reason: str | int | None = None


def to_piece(event: Accepted | Delta, include_reasoning: bool = True, named_call: bool = False) -> Piece | None:
    """None for an event that shows the client nothing. A call that was named ends with `stop`, as OpenAI has it."""
    if isinstance(event, TextDelta):
        return Piece(event.choice, {"content": event.text}, event.logprobs) if event.text or event.logprobs else None
    if isinstance(event, ReasoningDelta):
        if not (include_reasoning and event.text):
            return None
        return Piece(event.choice, {"reasoning": event.text, "reasoning_content": event.text})
    if isinstance(event, ToolCallDelta):
        if not (event.name or event.arguments):
            return None
        return Piece(event.choice, {"tool_calls": [_call_delta(event)]})
    if isinstance(event, ChoiceFinished):
        reason = "stop" if named_call and event.reason == "tool_calls" else event.reason
        return Piece(event.choice, finish_reason=reason, stop_reason=event.stop)
    return None


class OpenCalls:
    """Watches the calls of one answer, to give one that ends without an argument its empty object."""

    def __init__(self) -> None:
        self._bare: dict[int, int] = {}  # choice -> its open call, while no argument text has come

    def complete(self, event: Accepted | Delta) -> list[Accepted | Delta]:
        """The event, behind the piece that was missing before it."""
        if not isinstance(event, TextDelta | ToolCallDelta | ChoiceFinished):
            return [event]
        bare = self._bare.get(event.choice)
        if isinstance(event, ToolCallDelta):
            ends = event.call != bare
            if event.arguments or event.broken:
                self._bare.pop(event.choice, None)
            else:
                self._bare[event.choice] = event.call
        else:
            # Empty text only brings tokens; an answer that was cut in a call's head keeps what it has.
            ends = event.reason != "length" if isinstance(event, ChoiceFinished) else bool(event.text)
            if ends:
                self._bare.pop(event.choice, None)
        if bare is None or not ends:
            return [event]
        return [ToolCallDelta(event.request, event.choice, bare, arguments="{}"), event]


def _call_delta(event: ToolCallDelta) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": event.arguments}
    if event.id is None and event.name is None:
        return {"index": event.call, "function": function}
    return {"index": event.call, "id": event.id, "type": "function", "function": {"name": event.name, **function}}


def to_logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    content = [{**_logprob(token), "top_logprobs": [_logprob(one) for one in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _logprob(token: TokenLogprob | Alternative) -> dict[str, Any]:
    # JSON has no infinity: OpenAI writes -9999.0 for a token that is out of the question.
    return {"token": token.text, "logprob": max(token.logprob, -9999.0), "bytes": list(token.data)}


def to_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


@dataclass(slots=True)
class _Choice:
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: str | int | None = None

    def add(self, piece: Piece) -> None:
        self.text.append(piece.delta.get("content", ""))
        self.reasoning.append(piece.delta.get("reasoning", ""))
        self.logprobs.extend(piece.logprobs)
        for call in piece.delta.get("tool_calls", ()):
            self._add_call(call)
        if piece.finish_reason is not None:
            self.finish_reason, self.stop_reason = piece.finish_reason, piece.stop_reason

    def _add_call(self, delta: dict[str, Any]) -> None:
        known = self.calls.setdefault(
            delta["index"], {"id": None, "type": "function", "function": {"name": None, "arguments": ""}}
        )
        known["id"] = delta.get("id") or known["id"]
        known["function"]["name"] = delta["function"].get("name") or known["function"]["name"]
        known["function"]["arguments"] += delta["function"]["arguments"]

    def message(self) -> dict[str, Any]:
        text, reasoning = "".join(self.text), "".join(self.reasoning)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not self.calls else None,
            "refusal": None,
            "annotations": [],
        }
        if reasoning:
            message |= {"reasoning": reasoning, "reasoning_content": reasoning}
        if self.calls:
            message["tool_calls"] = [self.calls[index] for index in sorted(self.calls)]
        return message


class Completion:
    """Folds the events of one request into a `chat.completion` object."""

    def __init__(
        self, identity: Identity, n: int, *, logprobs: bool, include_reasoning: bool, named_call: bool = False
    ) -> None:
        self._identity = identity
        self._choices = [_Choice() for _ in range(n)]
        self._logprobs = logprobs
        self._include_reasoning = include_reasoning
        self._named_call = named_call
        self._calls = OpenCalls()
        self._server_calls = ServerCalls()

    def add(self, event: AnswerEvent) -> None:
        if isinstance(event, ServerEvent):
            self._server_calls.piece(event)
            return
        for one in self._calls.complete(self._server_calls.spaced(event)):
            piece = to_piece(one, self._include_reasoning, self._named_call)
            if piece is not None:
                self._choices[piece.choice].add(piece)

    def result(self, usage: Usage) -> dict[str, Any]:
        """Raises InternalError when a choice has not finished: an answer that was cut is not an answer."""
        return {
            "id": self._identity.id,
            "object": "chat.completion",
            "created": self._identity.created,
            "model": self._identity.model,
            "choices": [self._choice(index, choice) for index, choice in enumerate(self._choices)],
            "usage": to_usage(usage),
            "service_tier": "default",
            "system_fingerprint": self._identity.fingerprint,
        }

    def _choice(self, index: int, choice: _Choice) -> dict[str, Any]:
        if choice.finish_reason is None:
            raise InternalError("The model's answer ended early.")
        return {
            "index": index,
            "message": choice.message() | self._server_calls.message(),
            "logprobs": to_logprobs(choice.logprobs) if self._logprobs else None,
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
