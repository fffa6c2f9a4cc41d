"""Events of the wire to Anthropic's answers: a `message` object, or the server-sent events of a streamed one.

https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.dialects.anthropic.blocks import Blocks, Payload, fold
from gateway.dialects.anthropic.caching import NO_BREAKPOINT, Breakpoint, to_input_tokens
from gateway.dialects.anthropic.errors import error_body
from gateway.dialects.anthropic.request import AnswerOptions
from gateway.dialects.openai.events import dump
from gateway.mcp.events import AnswerEvent
from shared.errors import InternalError, RequestError
from shared.messages import Accepted, ChoiceFinished, Usage

_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What names one answer: its id, the model, and the HTTP request that errors quote."""

    id: str
    model: str
    request_id: str


def to_usage(usage: Usage, cached: Breakpoint = NO_BREAKPOINT) -> dict[str, Any]:
    """No token is in two of the prompt's numbers; see `caching` for how they are counted."""
    found = to_input_tokens(usage, cached)
    return {
        "input_tokens": found.fresh,
        "cache_creation_input_tokens": found.created,
        "cache_read_input_tokens": found.read,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": None,
    }


def to_stop(finished: ChoiceFinished | None, usage: Usage, max_tokens: int, paused: bool = False) -> dict[str, Any]:
    """`paused`: the model would go on calling tools of servers.

    Raises InternalError when the answer has not finished: one that was cut is not an answer.
    """
    if finished is None:
        raise InternalError("The model's answer ended early.")
    reason = _REASONS[finished.reason]
    met = finished.stop if isinstance(finished.stop, str) and finished.reason == "stop" else None
    if paused:
        reason = "pause_turn"
    elif met is not None:
        reason = "stop_sequence"
    elif reason == "max_tokens" and usage.completion_tokens < max_tokens:
        reason = "model_context_window_exceeded"
    return {"stop_reason": reason, "stop_sequence": met, "stop_details": None, "container": None}


def _message(identity: Identity, usage: Usage, cached: Breakpoint) -> dict[str, Any]:
    counted = to_usage(usage, cached)
    created = dict.fromkeys(("5m", "1h"), 0) | {cached.ttl: counted["cache_creation_input_tokens"]}
    return {
        "id": identity.id,
        "type": "message",
        "role": "assistant",
        "model": identity.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "diagnostics": None,
        "usage": {
            **counted,
            "cache_creation": {f"ephemeral_{ttl}_input_tokens": tokens for ttl, tokens in created.items()},
            "inference_geo": None,
            "service_tier": "standard",
            "speed": "standard",
        },
    }


class MessageAnswer:
    """Folds the events of one request into a `message` object."""

    def __init__(self, identity: Identity, wanted: AnswerOptions) -> None:
        self._identity = identity
        self._wanted = wanted
        self._blocks = Blocks(identity.id, wanted.show_thinking)
        self._payloads: list[Payload] = []

    def add(self, event: AnswerEvent) -> None:
        self._payloads += self._blocks.feed(event)

    def result(self, usage: Usage) -> dict[str, Any]:
        """Raises InternalError when the answer has not finished."""
        stop = to_stop(self._blocks.finished, usage, self._wanted.max_tokens, self._blocks.paused)
        return {**_message(self._identity, usage, self._wanted.cached), "content": fold(self._payloads), **stop}


class MessageWriter:
    """Renders one request's events: message_start and ping, blocks, message_delta and message_stop."""

    def __init__(self, identity: Identity, wanted: AnswerOptions) -> None:
        self._identity = identity
        self._wanted = wanted
        self._blocks = Blocks(identity.id, wanted.show_thinking)
        self._started = False

    def event(self, event: AnswerEvent) -> bytes:
        """The bytes that one event sends to the client; empty for one that shows nothing."""
        start = b"" if self._started else self._start(event)
        return start + b"".join(_frame(payload) for payload in self._blocks.feed(event))

    def end(self, usage: Usage) -> bytes:
        """The bytes after the last event. Raises InternalError when the answer has not finished."""
        stop = to_stop(self._blocks.finished, usage, self._wanted.max_tokens, self._blocks.paused)
        delta = {"type": "message_delta", "delta": stop, "usage": to_usage(usage, self._wanted.cached)}
        return _frame(delta) + _frame({"type": "message_stop"})

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the stream ends behind it, without message_stop."""
        return _frame({**error_body(error, self._identity.request_id), "usage": to_usage(usage, self._wanted.cached)})

    def _start(self, event: AnswerEvent) -> bytes:
        self._started = True
        usage = Usage(event.prompt_tokens, event.cached_tokens) if isinstance(event, Accepted) else Usage()
        start = {"type": "message_start", "message": _message(self._identity, usage, self._wanted.cached)}
        return _frame(start) + _frame({"type": "ping"})


def _frame(payload: Payload) -> bytes:
    return f"event: {payload['type']}\ndata: {dump(payload)}\n\n".encode()
