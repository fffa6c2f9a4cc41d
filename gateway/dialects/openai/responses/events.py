"""A response as server-sent events: named, numbered, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.dialects.openai.events import dump
from gateway.dialects.openai.responses.answer import Answer
from gateway.dialects.openai.responses.output import Payload
from gateway.mcp.events import AnswerEvent
from shared.errors import RequestError
from shared.messages import Usage


class Numbered:
    """Gives each event its place in the response."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, payloads: Iterable[Payload]) -> list[Payload]:
        found = []
        for payload in payloads:
            found.append({**payload, "sequence_number": self._next})
            self._next += 1
        return found


def frame(payload: Payload) -> bytes:
    return f"event: {payload['type']}\ndata: {dump(payload)}\n\n".encode()


class ResponseWriter:
    """Renders one request's events. `done` is called with the answer once it has ended, before its end is written."""

    def __init__(self, answer: Answer, now: Callable[[], float], done: Callable[[Answer], None]) -> None:
        """`now` is in seconds since 1970."""
        self.answer = answer
        self.ended = False
        self._now = now
        self._done = done
        self._number = Numbered()
        self.started = False

    def event(self, event: AnswerEvent) -> bytes:
        """The bytes that one event sends to the client; empty for one that shows nothing."""
        return self._frames([*self._start(), *self.answer.feed(event)])

    def end(self, usage: Usage) -> bytes:
        """The bytes after the last event. Raises InternalError when the answer has not finished."""
        payloads = [*self._start(), *self.answer.end(usage, int(self._now()))]
        return self._last(payloads)

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the response has failed, and says so."""
        payloads = [*self._start(), *self.answer.fail(error, usage)]
        return self._last(payloads)

    def _start(self) -> list[Payload]:
        if self.started:
            return []
        self.started = True
        return self.answer.start()

    def _last(self, payloads: list[Payload]) -> bytes:
        self.ended = True
        self._done(self.answer)
        return self._frames(payloads)

    def _frames(self, payloads: list[Payload]) -> bytes:
        return b"".join(frame(payload) for payload in self._number(payloads))
