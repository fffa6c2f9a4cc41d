"""Names to addresses, on threads of their own: slow name servers must not hold up the threads that parse JSON."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, best first. Raises OSError or UnicodeError for a name that leads nowhere."""

_THREADS = 8


class Resolver:
    """The system's resolver, as a `Resolve`. Threads start with the first look-up."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "media-dns")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))


def _look_up(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
