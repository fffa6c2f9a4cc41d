"""Deltas of the wire to the server-sent events of a streamed chat completion.

The constant parts of a chunk are made once a request: a token costs one small JSON dump.
"""

from __future__ import annotations

from gateway.dialects.openai.answer import Identity, OpenCalls, Piece, to_logprobs, to_piece, to_usage
from gateway.dialects.openai.errors import error_body
from gateway.dialects.openai.events import dump
from gateway.dialects.openai.server_tools import ServerCalls
from gateway.mcp.events import AnswerEvent, ServerEvent
from shared.errors import InternalError, RequestError
from shared.messages import Usage

DONE = b"data: [DONE]\n\n"


class ChunkWriter:
    """Renders one request's events: roles first, one finish a choice, then usage where it was asked for."""

    def __init__(
        self,
        identity: Identity,
        n: int,
        *,
        logprobs: bool,
        include_reasoning: bool,
        include_usage: bool,
        named_call: bool = False,
    ) -> None:
        head = {
            "id": identity.id,
            "object": "chat.completion.chunk",
            "created": identity.created,
            "model": identity.model,
            "service_tier": "default",
            "system_fingerprint": identity.fingerprint,
        }
        self._head = f"data: {dump(head)[:-1]},"
        self._tail = ',"usage":null}\n\n' if include_usage else "}\n\n"
        self._n = n
        self._unfinished = set(range(n))
        self._started = False
        self._logprobs = logprobs
        self._include_reasoning = include_reasoning
        self._include_usage = include_usage
        self._named_call = named_call
        self._calls = OpenCalls()
        self._server_calls = ServerCalls()

    def event(self, event: AnswerEvent) -> bytes:
        """The bytes that one event sends to the client; empty for one that shows nothing."""
        text = "" if self._started else self._roles()
        if isinstance(event, ServerEvent):
            call = self._server_calls.piece(event)
            return (text + (self._piece(Piece(0, {"mcp_calls": [call]})) if call else "")).encode()
        for one in self._calls.complete(self._server_calls.spaced(event)):
            piece = to_piece(one, self._include_reasoning, self._named_call)
            if piece is not None:
                text += self._piece(piece)
        return text.encode()

    def end(self, usage: Usage) -> bytes:
        """The bytes after the last event. Raises InternalError when a choice has not finished."""
        if self._unfinished:
            raise InternalError("The model's answer ended early.")
        if not self._include_usage:
            return DONE
        return f'{self._head}"choices":[],"usage":{dump(to_usage(usage))}}}\n\n'.encode() + DONE

    def _roles(self) -> str:
        self._started = True
        delta = '{"role":"assistant","content":"","refusal":null}'
        return "".join(self._chunk(choice, delta, "null", None) for choice in range(self._n))

    def _piece(self, piece: Piece) -> str:
        # The last tokens may come with the finish, but a finish is a chunk of its own.
        if piece.finish_reason is not None:
            self._unfinished.discard(piece.choice)
            return self._chunk(piece.choice, "{}", "null", piece.finish_reason, piece.stop_reason)
        logprobs = dump(to_logprobs(piece.logprobs)) if self._logprobs and piece.logprobs else "null"
        return self._chunk(piece.choice, dump(piece.delta), logprobs, None)

    def _chunk(self, choice: int, delta: str, logprobs: str, finish: str | None, stop: str | int | None = None) -> str:
        end = f'"{finish}","stop_reason":{dump(stop)}' if finish else "null"
        body = f'"choices":[{{"index":{choice},"delta":{delta},"logprobs":{logprobs},"finish_reason":{end}}}]'
        return self._head + body + self._tail

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the stream ends behind it, without a finish and without [DONE]."""
        body = error_body(error)
        if self._include_usage:
            body["usage"] = to_usage(usage)
        return f"data: {dump(body)}\n\n".encode()
