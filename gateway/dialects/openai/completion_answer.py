"""Deltas of the wire to OpenAI's legacy `text_completion`, whole or as server-sent events.

One answer holds the choices of all its prompts: choice c of prompt p has the index p * n + c.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.openai.answer import Identity, to_usage
from gateway.dialects.openai.chunks import DONE
from gateway.dialects.openai.completions import CompletionOptions
from gateway.dialects.openai.errors import error_body
from gateway.dialects.openai.events import dump, to_event
from shared.errors import InternalError, RequestError
from shared.messages import Accepted, Alternative, ChoiceFinished, Delta, PromptEcho, TextDelta, TokenLogprob, Usage


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event adds to one choice."""

    index: int
    text: str = ""
    logprobs: dict[str, list[Any]] | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class _Tokens:
    """Log-probabilities in the legacy shape; offsets count characters from the start of the choice's text."""

    def __init__(self) -> None:
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def render(self, tokens: Iterable[tuple[str, bytes, TokenLogprob | None]]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for text, data, logprob in tokens:
            found["tokens"].append(text)
            found["token_logprobs"].append(None if logprob is None else _bounded(logprob.logprob))
            found["top_logprobs"].append(None if logprob is None else _top(logprob))
            found["text_offset"].append(self._at)
            self._at += len(self._decoder.decode(data))
        return found

    def go_on_at(self, at: int) -> None:
        self._at = at
        self._decoder.reset()


def _top(token: TokenLogprob) -> dict[str, float]:
    """The best alternatives, and always the token itself; of two that are spelled alike the likelier."""
    found: dict[str, float] = {}
    known: list[Alternative | TokenLogprob] = [*token.top, token]
    for one in known:
        found.setdefault(one.text, _bounded(one.logprob))
    return found


def _bounded(logprob: float) -> float:
    return max(logprob, -9999.0)  # JSON has no infinity


def _echoed(echo: PromptEcho) -> list[tuple[str, bytes, TokenLogprob | None]]:
    """The prompt's tokens; the first, which nothing predicts, is what the others leave of the text."""
    known = [(one.text, one.data, one) for one in echo.logprobs if one is not None]
    if len(known) == len(echo.logprobs):
        return [*known]
    data = echo.text.encode()
    first = data[: max(0, len(data) - sum(len(one[1]) for one in known))]
    return [(first.decode("utf-8", "replace"), first, None), *known]


class Choices:
    """Turns the events of all prompts into pieces of choices. `requests` are the prompts' ids on the wire, in order."""

    def __init__(self, requests: Sequence[str], wanted: CompletionOptions) -> None:
        self._first = {request: prompt * wanted.n for prompt, request in enumerate(requests)}
        self._wanted = wanted
        self._tokens = [_Tokens() for _ in range(len(requests) * wanted.n)]
        self._unfinished = set(range(len(self._tokens)))

    def feed(self, event: Accepted | Delta) -> list[Piece]:
        if isinstance(event, PromptEcho):
            first = self._first[event.request]
            return [self._echo(index, event) for index in range(first, first + self._wanted.n)]
        if isinstance(event, TextDelta):
            index = self._first[event.request] + event.choice
            known = [(one.text, one.data, one) for one in event.logprobs]
            logprobs = self._tokens[index].render(known) if self._wanted.logprobs and known else None
            return [Piece(index, event.text, logprobs)] if event.text or logprobs else []
        if isinstance(event, ChoiceFinished):
            index = self._first[event.request] + event.choice
            self._unfinished.discard(index)
            return [Piece(index, finish_reason=event.reason, stop_reason=event.stop)]
        return []

    def _echo(self, index: int, echo: PromptEcho) -> Piece:
        logprobs = self._tokens[index].render(_echoed(echo)) if self._wanted.logprobs else None
        self._tokens[index].go_on_at(len(echo.text))
        return Piece(index, echo.text, logprobs)

    def check(self) -> None:
        """Raises InternalError when a choice has not finished: an answer that was cut is not an answer."""
        if self._unfinished:
            raise InternalError("The model's answer ended early.")


def _head(identity: Identity) -> dict[str, Any]:
    return {
        "id": identity.id,
        "object": "text_completion",
        "created": identity.created,
        "model": identity.model,
        "system_fingerprint": identity.fingerprint,
    }


@dataclass(slots=True)
class _Choice:
    text: list[str] = field(default_factory=list)
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    finish_reason: str | None = None
    stop_reason: str | int | None = None

    def add(self, piece: Piece) -> None:
        self.text.append(piece.text)
        for key, values in (piece.logprobs or {}).items():
            self.logprobs.setdefault(key, []).extend(values)
        if piece.finish_reason is not None:
            self.finish_reason, self.stop_reason = piece.finish_reason, piece.stop_reason


class CompletionAnswer:
    """Folds the events of one request into a `text_completion` object."""

    def __init__(self, identity: Identity, requests: Sequence[str], wanted: CompletionOptions) -> None:
        self._identity = identity
        self._pieces = Choices(requests, wanted)
        self._choices = [_Choice() for _ in range(len(requests) * wanted.n)]

    def add(self, event: Accepted | Delta) -> None:
        for piece in self._pieces.feed(event):
            self._choices[piece.index].add(piece)

    def result(self, usage: Usage) -> dict[str, Any]:
        """Raises InternalError when a choice has not finished."""
        self._pieces.check()
        choices = [
            _choice(Piece(index, "".join(one.text), one.logprobs or None, one.finish_reason, one.stop_reason))
            for index, one in enumerate(self._choices)
        ]
        return {**_head(self._identity), "choices": choices, "usage": to_usage(usage)}


def _choice(piece: Piece) -> dict[str, Any]:
    return {
        "index": piece.index,
        "text": piece.text,
        "logprobs": piece.logprobs,
        "finish_reason": piece.finish_reason,
        "stop_reason": piece.stop_reason,
    }


class CompletionWriter:
    """Renders one request's events: texts, one finish a choice, then usage where it was asked for."""

    def __init__(self, identity: Identity, requests: Sequence[str], wanted: CompletionOptions) -> None:
        self._head = f"data: {dump(_head(identity))[:-1]},"
        self._tail = ',"usage":null}\n\n' if wanted.include_usage else "}\n\n"
        self._pieces = Choices(requests, wanted)
        self._include_usage = wanted.include_usage

    def event(self, event: Accepted | Delta) -> bytes:
        """The bytes that one event sends to the client; empty for one that shows nothing."""
        return "".join(
            f'{self._head}"choices":[{dump(_choice(piece))}]{self._tail}' for piece in self._pieces.feed(event)
        ).encode()

    def end(self, usage: Usage) -> bytes:
        """The bytes after the last event. Raises InternalError when a choice has not finished."""
        self._pieces.check()
        if not self._include_usage:
            return DONE
        return f'{self._head}"choices":[],"usage":{dump(to_usage(usage))}}}\n\n'.encode() + DONE

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the stream ends behind it, without a finish and without [DONE]."""
        body = error_body(error)
        return to_event(body | {"usage": to_usage(usage)} if self._include_usage else body)
