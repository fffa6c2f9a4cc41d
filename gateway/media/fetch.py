"""Fetches a URL without becoming anybody's door into the node's network.

Each hop: parse, look the host up once, check every address, connect to a checked address and to nothing else, while
`Host`, SNI and the certificate stay the name's. So a name that changes its mind between check and connect changes
nothing. Redirects are hops. Nothing is read from the environment (no proxies), nothing is kept between hops (no
cookies, no connections), and bodies are taken as they are: an encoding that unpacks to gigabytes is refused.

Importing httpx takes a while: `load` imports this module at the first URL, in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address

import httpx

from gateway.media.guard import Address, refuse_address, refuse_name
from gateway.media.resolve import Resolve, Resolver
from gateway.media.source import Piece
from shared.config.schema import MediaSection

MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_ADDRESSES = 4  # of one host that are tried, one after another
_CONNECT_TIMEOUT = 5.0  # seconds an address; the whole has its own deadline (`load`)
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "mlx-gateway"}

MakeTransport = Callable[[], httpx.AsyncBaseTransport]


class Fetcher:
    """Holds no state but the trusted certificates, which take long to load."""

    def __init__(
        self, policy: MediaSection, *, resolve: Resolve | None = None, transport: MakeTransport | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve or Resolver()
        self._transport = transport or partial(
            httpx.AsyncHTTPTransport, verify=httpx.create_ssl_context(trust_env=False), trust_env=False
        )

    async def fetch(self, url: str, piece: Piece) -> bytes:
        """The body behind a URL. Raises InvalidRequest, PayloadTooLarge; has no deadline of its own."""
        try:
            at = _parse(url, piece)
            for _ in range(MAX_REDIRECTS + 1):
                async with self._open(at, piece) as response:
                    if not response.has_redirect_location:
                        return await _read(response, piece)
                    location = response.headers["location"]
                at = _parse(location, piece, at)
        except httpx.HTTPError:
            raise piece.invalid("its URL could not be fetched: the connection failed") from None
        raise piece.invalid(f"its URL redirects more than {MAX_REDIRECTS} times")

    @asynccontextmanager
    async def _open(self, url: httpx.URL, piece: Piece) -> AsyncIterator[httpx.Response]:
        """The response of one hop, its body not yet read."""
        addresses = await self._check(url, piece)
        timeout = httpx.Timeout(None, connect=_CONNECT_TIMEOUT)
        async with httpx.AsyncClient(transport=self._transport(), trust_env=False, timeout=timeout) as client:
            response = await _connect(client, url, addresses)
            try:
                yield response
            finally:
                await response.aclose()

    async def _check(self, url: httpx.URL, piece: Piece) -> Sequence[Address]:
        """The addresses that a hop may connect to."""
        if url.scheme not in _PORTS:
            raise piece.invalid("its URL must start with https://, http:// or data:")
        if url.userinfo:
            raise piece.invalid("its URL holds a user name or password, which is not supported")
        host, port = _host(url), _PORTS[url.scheme] if url.port is None else url.port
        if not host:
            raise piece.invalid("its URL names no host")
        if reason := refuse_name(self._policy, host, port):
            raise piece.invalid(reason)
        try:
            addresses = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise piece.invalid("the host of its URL is not known")
        for address in addresses:
            if reason := refuse_address(self._policy, host, port, address):
                raise piece.invalid(reason)
        return addresses[:_ADDRESSES]


def _parse(text: str, piece: Piece, base: httpx.URL | None = None) -> httpx.URL:
    try:
        return base.join(text) if base else httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise piece.invalid("its URL, or one that it redirects to, is not valid") from None


async def _connect(client: httpx.AsyncClient, url: httpx.URL, addresses: Sequence[Address]) -> httpx.Response:
    """The response of the first address that takes the connection."""
    *others, last = addresses
    for address in others:
        try:
            return await client.send(_pinned(client, url, address), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await client.send(_pinned(client, url, last), stream=True)


def _pinned(client: httpx.AsyncClient, url: httpx.URL, address: Address) -> httpx.Request:
    headers = _HEADERS | {"host": url.netloc.decode("ascii")}
    return client.build_request(
        "GET", url.copy_with(host=str(address)), headers=headers, extensions={"sni_hostname": _host(url)}
    )


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").rstrip(".")


async def _read(response: httpx.Response, piece: Piece) -> bytes:
    if response.status_code != 200:
        raise piece.invalid(f"the server of its URL answered {response.status_code}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise piece.invalid("the server of its URL sent a compressed body")
    announced = response.headers.get("content-length", "")
    if announced.isdecimal():
        piece.check(int(announced[:20]))
    chunks = []
    async for chunk in response.aiter_raw():
        piece.take(len(chunk))
        chunks.append(chunk)
    if not chunks:
        raise piece.invalid("its URL leads to an empty file")
    return b"".join(chunks)
