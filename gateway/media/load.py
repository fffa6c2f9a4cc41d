"""The media of one request to bytes: decoded, or fetched a few at a time under one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gateway.media.data_url import decode_base64, decode_data_url, is_data_url
from gateway.media.resolve import Resolve
from gateway.media.source import Allowance, MediaSource, Piece
from shared.config.schema import MediaSection
from shared.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.media.fetch import Fetcher, MakeTransport

MAX_PIECES = 64
AT_ONCE = 4  # pieces of one request
THREAD_FROM = 256 * 1024  # characters; decoding more than this would stall every stream


class MediaLoader:
    """One a node. `timeout_at`, `resolve` and `transport` are asyncio's, the system's and httpx's, or a test's."""

    def __init__(
        self,
        policy: MediaSection,
        total: int,
        *,
        resolve: Resolve | None = None,
        transport: MakeTransport | None = None,
        timeout_at: Callable[[float], asyncio.Timeout] = asyncio.timeout_at,
    ) -> None:
        """`total` is how many bytes the media of one request may have together."""
        self._policy = policy
        self._total = total
        self._resolve = resolve
        self._transport = transport
        self._timeout_at = timeout_at
        self._making = asyncio.Lock()
        self._made: Fetcher | None = None

    async def load(self, sources: Sequence[MediaSource]) -> tuple[bytes, ...]:
        """The bytes of each source, in order; the first failure ends the others.

        Raises InvalidRequest or PayloadTooLarge, naming the source.
        """
        if len(sources) > MAX_PIECES:
            what = f"a request can hold at most {MAX_PIECES} media parts, but this one holds {len(sources)}"
            param = sources[MAX_PIECES].param
            raise InvalidRequest(f"Invalid value for '{param}': {what}.", param=param)
        allowance = Allowance(self._policy.max_bytes, self._total)
        gate = asyncio.Semaphore(AT_ONCE)
        until = asyncio.get_running_loop().time() + self._policy.timeout
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(Piece(one, allowance), gate, until)) for one in sources]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    async def _one(self, piece: Piece, gate: asyncio.Semaphore, until: float) -> bytes:
        async with gate:
            url = piece.source.url
            if url is None:
                return await _decode(decode_base64, piece.source.data or "", piece)
            if is_data_url(url):
                return await _decode(decode_data_url, url, piece)
            try:
                async with self._timeout_at(until):
                    fetcher = await self._fetcher()
                    return await fetcher.fetch(url, piece)
            except TimeoutError:
                seconds = f"{self._policy.timeout:g} seconds"
                raise piece.invalid(f"its URL could not be fetched within {seconds}") from None

    async def _fetcher(self) -> Fetcher:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(_make_fetcher, self._policy, self._resolve, self._transport)
            return self._made


async def _decode(decode: Callable[[str, Piece], bytes], text: str, piece: Piece) -> bytes:
    in_thread = len(text) > THREAD_FROM
    data = await asyncio.to_thread(decode, text, piece) if in_thread else decode(text, piece)
    piece.take(len(data))
    return data


def _make_fetcher(policy: MediaSection, resolve: Resolve | None, transport: MakeTransport | None) -> Fetcher:
    from gateway.media.fetch import Fetcher

    return Fetcher(policy, resolve=resolve, transport=transport)
