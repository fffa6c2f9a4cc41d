"""Where the URL of a request may lead: values in, a decision out.

    1. nothing is fetched (`fetch: off`)          refused
    2. the list names the host                    allowed, wherever the name leads
    3. the list holds the address                 allowed
    4. only the list is fetched from              refused
    5. another port than 80 or 443                refused
    6. the address is public                      allowed, else refused

A URL is allowed when every address of its host is, and each redirect is a URL of its own.
https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from shared.config.hosts import WEB_PORTS
from shared.config.schema import MediaSection

Address = IPv4Address | IPv6Address

_UNICAST = IPv6Network("2000::/3")  # all that is assigned: mapped, NAT64, private and multicast lie outside
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform, behind a public number
        "169.254.0.0/16",  # link-local, most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo (embeds IPv4)
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (embeds IPv4)
        "3fff::/20",  # documentation
    )
)

_OFF = "this node fetches nothing from URLs; send a data URL"
_UNLISTED = "its URL is not on the list of hosts that this node fetches from"
_PORT = "its URL names a port other than 80 and 443"
_PRIVATE = "its URL leads to an address that is not public"


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet; the standard library has to agree."""
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def refuse_name(policy: MediaSection, host: str, port: int) -> str | None:
    """Why a host is not even looked up, None when it may be. `host` in lower case, ASCII."""
    if policy.fetch == "off":
        return _OFF  # 1
    if any(entry.is_named(host, port) or (entry.network and entry.opens(port)) for entry in policy.allow):
        return None  # 2, or the addresses decide (3)
    if policy.fetch == "allowlist":
        return _UNLISTED  # 4
    return None if port in WEB_PORTS else _PORT  # 5


def refuse_address(policy: MediaSection, host: str, port: int, address: Address) -> str | None:
    """Why no connection is made to one of the host's addresses, None when it may be."""
    if policy.fetch == "off":
        return _OFF  # 1
    if any(entry.is_named(host, port) or entry.holds(address, port) for entry in policy.allow):
        return None  # 2, 3
    if policy.fetch == "allowlist":
        return _UNLISTED  # 4
    if port not in WEB_PORTS:
        return _PORT  # 5
    return None if is_public(address) else _PRIVATE  # 6
