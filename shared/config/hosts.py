"""Entries of the list of hosts that media may come from though the public rules would refuse them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator

WEB_PORTS = (80, 443)
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_HOST_PORT = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<host>[^:]*))(?::(?P<port>[0-9]{1,5}))?")
_NUMBERS = re.compile(r"[\d.]+")  # a name can't look like an address


@dataclass(frozen=True, slots=True)
class Host:
    """A host's name, or a network (a single address is one too). Without a port it stands for 80 and 443."""

    name: str | None
    network: IPv4Network | IPv6Network | None
    port: int | None

    def opens(self, port: int) -> bool:
        return port in WEB_PORTS if self.port is None else port == self.port

    def is_named(self, host: str, port: int) -> bool:
        return self.name == host and self.opens(port)

    def holds(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        return self.network is not None and address in self.network and self.opens(port)


def parse_host(value: object) -> Host:
    """`nas.lan`, `nas.lan:8080`, `10.0.0.0/8`, `127.0.0.1:9000`, `[fd00::1]:9000`, `fd00::/8`. Raises ValueError."""
    text = str(value).strip().lower()
    match = _HOST_PORT.fullmatch(text)
    host, port = (match["six"] or match["host"], match["port"]) if match else (text, None)
    if port is not None and not 0 < int(port) <= 65535:
        raise _unfit(value)
    try:
        return Host(None, ip_network(host), int(port) if port else None)
    except ValueError:
        if text.startswith("[") or _NUMBERS.fullmatch(host) or not _NAME.fullmatch(host):
            raise _unfit(value) from None
    return Host(host, None, int(port) if port else None)


def _unfit(value: object) -> ValueError:
    return ValueError(f"{value!r} is not a host, host:port or network, such as nas.lan:8080 or 10.0.0.0/8")


AllowedHost = Annotated[Host, BeforeValidator(parse_host)]
