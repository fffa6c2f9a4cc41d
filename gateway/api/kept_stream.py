"""Streams of responses: one that is written down before its end is sent, and one that follows a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.api.sse import HEADERS, EventStream
from gateway.dialects.openai.responses.answer import Answer
from gateway.dialects.openai.responses.events import ResponseWriter, frame
from gateway.dialects.openai.responses.output import Payload
from gateway.mcp.events import AnswerEvent
from gateway.mcp.source import AnswerSource
from shared.errors import InternalError

Save = Callable[[Answer], "Future[None] | None"]


class KeptStream(EventStream[AnswerEvent]):
    """`save` is asked to write the response down: at its end, or as cancelled when its client has left."""

    def __init__(
        self,
        open_source: Callable[[], AnswerSource],
        answer: Answer,
        save: Save,
        now: Callable[[], float],
        keep_alive: float,
        comment: Callable[[], str],
    ) -> None:
        self._answer = answer
        self._save = save
        self._saving: Future[None] | None = None
        self._source: AnswerSource | None = None
        self._open_source = open_source
        self._rendered = ResponseWriter(answer, now, self._ended)
        super().__init__(self._opened, self._rendered, keep_alive, comment)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._rendered.started and not self._rendered.ended and self._source is not None:
                self._answer.cancel(self._source.usage)
                self._save(self._answer)

    def _opened(self) -> AnswerSource:
        self._source = self._open_source()
        return self._source

    def _ended(self, answer: Answer) -> None:
        self._saving = self._save(answer)

    async def _write(self, send: Send, data: bytes) -> None:
        """What ends the answer leaves when the answer is kept, so that the client can go on from it."""
        if self._saving is not None:
            saving, self._saving = self._saving, None
            with suppress(InternalError):  # the store has said why, and the answer is good
                await asyncio.wrap_future(saving)
        await super()._write(send, data)


def followed(events: AsyncIterator[Payload], keep_alive: float) -> StreamingResponse:
    """The events of a response in the background; leaving them leaves the response alone."""
    return StreamingResponse(_frames(events, keep_alive), headers=HEADERS)


async def _frames(events: AsyncIterator[Payload], keep_alive: float) -> AsyncIterator[bytes]:
    coming: asyncio.Task[Payload | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events, None))
            done, _ = await asyncio.wait({coming}, timeout=keep_alive)
            if not done:
                yield b": waiting\n\n"
                continue
            payload, coming = coming.result(), None
            if payload is None:
                return
            yield frame(payload)
    finally:
        if coming is not None:
            coming.cancel()
