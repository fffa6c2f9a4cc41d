"""The `response` object of one request, from its first event to its last.

Every field that the API documents is there, null where it says nothing here: strict clients look for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.dialects.openai.responses.output import Output, Payload
from gateway.dialects.openai.responses.request import AnswerOptions, Asked
from gateway.dialects.openai.responses.schema import ResponsesRequest
from gateway.mcp.events import AnswerEvent
from shared.errors import InternalError, RequestError
from shared.messages import Usage

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

# The codes that OpenAI's clients know; Codex looks for context_length_exceeded, too.
_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What names one answer. `created` is in seconds since 1970."""

    id: str
    created: int
    model: str

    @property
    def suffix(self) -> str:
        return self.id.removeprefix("resp_")


class Answer:
    """Folds the events of one request into a response, and tells of each step as events of the API.

    `start`, then `feed` for each event, then one of `end`, `fail`, `cancel`.
    """

    def __init__(
        self,
        identity: Identity,
        asked: Asked,
        wanted: AnswerOptions,
        first: Sequence[AnswerEvent] = (),
        approvals: Mapping[str, str] | None = None,
    ) -> None:
        """`first` are the events of calls that were approved and made, `approvals` the requests behind them."""
        self.output = Output(identity.suffix, wanted, asked.tools, approvals or {})
        self._first = first
        self.status: Status = "queued" if wanted.background else "in_progress"
        self._echo = _echo(identity, asked, wanted)
        self._error: Payload | None = None
        self._incomplete: Payload | None = None
        self._usage: Payload | None = None
        self._completed_at: int | None = None

    def queue(self) -> list[Payload]:
        return [self._tell("created"), self._tell("queued")]

    def start(self) -> list[Payload]:
        created = [] if self.status == "queued" else [self._tell("created")]
        self.status = "in_progress"
        begun = [*created, self._tell("in_progress")]
        return begun + [payload for event in self._first for payload in self.output.feed(event)]

    def feed(self, event: AnswerEvent) -> list[Payload]:
        return self.output.feed(event)

    def end(self, usage: Usage, now: int) -> list[Payload]:
        """`now` is in seconds since 1970. Raises InternalError when the answer has not finished."""
        if self.output.finished is None:
            raise InternalError("The model's answer ended early.")
        self._usage = to_usage(usage)
        if self.output.finished.reason == "length":
            reason = "max_messages" if self.output.exhausted else "max_output_tokens"
            self.status, self._incomplete = "incomplete", {"reason": reason}
        elif self.output.broken:  # none of the API's reasons is this one
            self.status, self._incomplete = "incomplete", {"reason": None}
        else:
            self.status, self._completed_at = "completed", now
        return [self._tell(self.status)]

    def fail(self, error: RequestError, usage: Usage) -> list[Payload]:
        closed = self.output.close()
        self.status, self._error = "failed", to_error(error)
        self._usage = to_usage(usage)
        return [*closed, self._tell("failed")]

    def cancel(self, usage: Usage) -> None:
        """Nobody is told: who cancels gets the response."""
        self.output.close()
        self.status, self._usage = "cancelled", to_usage(usage)

    def response(self) -> Payload:
        return {
            **self._echo,
            "status": self.status,
            "completed_at": self._completed_at,
            "error": self._error,
            "incomplete_details": self._incomplete,
            "output": list(self.output.items),
            "usage": self._usage,
        }

    def _tell(self, what: str) -> Payload:
        return {"type": f"response.{what}", "response": self.response()}


def to_usage(usage: Usage) -> Payload:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def to_error(error: RequestError) -> Payload:
    code = error.code if error.code == "context_length_exceeded" else _CODES.get(error.status, "server_error")
    return {"code": code, "message": error.message}


def _echo(identity: Identity, asked: Asked, wanted: AnswerOptions) -> Payload:
    """What a response repeats of its request."""
    request = asked.request
    if not isinstance(request, ResponsesRequest):
        raise TypeError("a count has no answer")
    extra = request.model_extra or {}
    return {
        "id": identity.id,
        "object": "response",
        "created_at": identity.created,
        "background": wanted.background,
        "conversation": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "model": identity.model,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt": None,
        "prompt_cache_key": _label(extra, "prompt_cache_key"),
        "prompt_cache_retention": None,
        "reasoning": _reasoning(request),
        "safety_identifier": _label(extra, "safety_identifier"),
        "service_tier": "default",
        "store": wanted.store,
        "temperature": request.temperature,
        "text": _text(request),
        "tool_choice": request.tool_choice if request.tool_choice is not None else "auto",
        "tools": [_tool(tool) for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": _label(extra, "user"),
    }


def _label(extra: dict[str, Any], name: str) -> str | None:
    found = extra.get(name)
    return found if isinstance(found, str) else None


def _reasoning(request: ResponsesRequest) -> Payload:
    given = request.reasoning
    if given is None:
        return {"effort": None, "summary": None}
    return {"effort": given.effort, "summary": given.summary or given.generate_summary}


def _text(request: ResponsesRequest) -> Payload:
    given = request.text
    wanted = given.format if given is not None else None
    found = {"type": "text"} if wanted is None else wanted.model_dump(by_alias=True, exclude_unset=True)
    return {"format": found, "verbosity": (given.verbosity if given is not None else None) or "medium"}


def _tool(tool: Payload) -> Payload:
    """A function's documented fields may be left out by who asks, not by who answers."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": False} | tool
