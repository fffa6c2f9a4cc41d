from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.guard import is_public, refuse_address, refuse_name
from shared.config import MediaSection

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::200e"]
NASTY = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1"),
    *("64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
]


def policy(fetch: str = "public", *allow: str) -> MediaSection:
    return MediaSection.model_validate({"fetch": fetch, "allow": allow})


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text):
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", NASTY)
def test_addresses_that_are_not_public(text):
    assert not is_public(ip_address(text))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_public_is_never_more_than_the_standard_library_allows(address):
    if is_public(address):
        assert address.is_global
        kinds = ("private", "multicast", "reserved", "link_local", "loopback", "unspecified")
        assert [kind for kind in kinds if getattr(address, f"is_{kind}")] == []


@given(st.integers(0, 2**32 - 1))
def test_of_ipv4_all_that_is_global_is_public_but_multicast_and_four_more(number):
    address = IPv4Address(number)
    more = ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")
    if address.is_global and not address.is_multicast and not is_public(address):
        assert any(entry.network and address in entry.network for entry in policy("public", *more).allow)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_public(number):
    embedded = [
        number,  # ::a.b.c.d
        0xFFFF << 32 | number,  # mapped
        0x64FF9B << 96 | number,  # NAT64
        0x2002 << 112 | number << 80,  # 6to4
        0x20010000 << 96 | number,  # Teredo
    ]
    assert not any(is_public(IPv6Address(one)) for one in embedded)


# ------------------------------------------------------------------ decisions
@pytest.mark.parametrize(
    ("rules", "host", "port", "address", "says"),
    [
        (policy(), "a.example", 443, "1.1.1.1", None),
        (policy(), "a.example", 80, "1.1.1.1", None),
        (policy(), "a.example", 443, "10.0.0.1", "not public"),
        (policy(), "a.example", 8080, "1.1.1.1", "port"),
        (policy("public", "a.example:8080"), "a.example", 8080, "1.1.1.1", None),
        (policy("public", "a.example:8080"), "a.example", 8080, "10.0.0.1", None),
        (policy("public", "a.example:8080"), "a.example", 443, "10.0.0.1", "not public"),
        (policy("public", "a.example:8080"), "b.a.example", 8080, "10.0.0.1", "port"),
        (policy("public", "A.Example"), "a.example", 443, "10.0.0.1", None),
        (policy("public", "a.example"), "a.example", 8080, "10.0.0.1", "port"),
        (policy("public", "10.1.0.0/16"), "a.example", 443, "10.1.2.3", None),
        (policy("public", "10.1.0.0/16"), "a.example", 443, "10.2.2.3", "not public"),
        (policy("public", "10.1.0.0/16"), "a.example", 8080, "10.1.2.3", "port"),
        (policy("public", "10.1.0.0/16:8080"), "a.example", 8080, "10.1.2.3", None),
        (policy("public", "10.1.0.0/16:8080"), "a.example", 8080, "1.1.1.1", "port"),
        (policy("public", "127.0.0.1"), "a.example", 443, "::ffff:127.0.0.1", "not public"),
        (policy("public", "[fd00::1]:9000"), "a.example", 9000, "fd00::1", None),
        (policy("allowlist"), "a.example", 443, "1.1.1.1", "not on the list"),
        (policy("allowlist", "a.example"), "a.example", 443, "1.1.1.1", None),
        (policy("allowlist", "a.example"), "b.example", 443, "1.1.1.1", "not on the list"),
        (policy("allowlist", "1.1.1.0/24"), "b.example", 443, "1.1.1.1", None),
        (policy("allowlist", "1.1.1.0/24"), "b.example", 443, "1.1.2.1", "not on the list"),
        (policy("off", "a.example"), "a.example", 443, "1.1.1.1", "data URL"),
    ],
)
def test_an_address(rules, host, port, address, says):
    reason = refuse_address(rules, host, port, ip_address(address))
    assert says in reason if says else reason is None


@pytest.mark.parametrize(
    ("rules", "port", "says"),
    [
        (policy(), 443, None),
        (policy(), 22, "port"),
        (policy("public", "10.0.0.0/8:22"), 22, None),  # the address will tell
        (policy("allowlist", "b.example"), 443, "not on the list"),
        (policy("allowlist", "10.0.0.0/8"), 443, None),
        (policy("allowlist", "a.example"), 443, None),
        (policy("off"), 443, "data URL"),
    ],
)
def test_a_name_before_it_is_looked_up(rules, port, says):
    reason = refuse_name(rules, "a.example", port)
    assert says in reason if says else reason is None
