"""The internet of a test: names, what is behind them, and what was asked of whom."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx

Answer = Callable[[], httpx.Response] | Exception


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()


def page(content: bytes | Callable[[], AsyncIterator[bytes]] = b"cat", status: int = 200, **headers: str) -> Answer:
    """An answer with a body that arrives as it is, in one piece or in those that `content` yields."""

    async def whole() -> AsyncIterator[bytes]:
        if content:
            yield content  # type: ignore[misc]

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    chunks = whole if isinstance(content, bytes) else content
    return lambda: httpx.Response(status, headers=named, stream=_Body(chunks))


class FakeWeb:
    """Hand `resolve` and `transport` to a fetcher. Every name leads to 93.184.215.14 unless `names` knows better.

    `names` holds what each look-up of a name answers; the last one stays. `pages` are by URL.
    """

    PUBLIC = "93.184.215.14"

    def __init__(self, pages: dict[str, Answer] | None = None, **names: Sequence[Sequence[str]]) -> None:
        self.pages = pages or {}
        self.names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.looked_up: list[str] = []
        self.requests: list[httpx.Request] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.names.get(host, [[self.PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self._answer)

    @property
    def connected(self) -> list[str]:
        """The hosts of the connections, in order."""
        return [request.url.host for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.pages[f"{request.url.scheme}://{request.headers['host']}{request.url.raw_path.decode()}"]
        if isinstance(answer, Exception):
            raise answer
        return answer()


@asynccontextmanager
async def web_server(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on 127.0.0.1 that gives every request the same raw answer: its port, and the heads that it saw."""
    heads: list[bytes] = []
    open_ones: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_ones.add(task)
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        await asyncio.gather(*open_ones, return_exceptions=True)
        await server.wait_closed()
