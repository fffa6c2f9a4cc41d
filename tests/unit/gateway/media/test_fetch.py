from __future__ import annotations

import socket
import ssl
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.media.fetch import MAX_REDIRECTS, Fetcher
from gateway.media.source import Allowance, MediaSource, Piece
from shared.config import MediaSection
from shared.errors import InvalidRequest, PayloadTooLarge
from tests.fakes.web import Answer, FakeWeb, page, web_server

URL = "https://a.example/cat.png"
PARAM = "messages[0].content[1]"
PEM = Path(__file__).parents[3] / "data" / "media_test.pem"


def redirect(location: str, status: int = 302) -> Answer:
    return page(b"", status, location=location)


async def fetch(web: FakeWeb, url: str = URL, each: int = 100, **policy: object) -> bytes:
    piece = Piece(MediaSource(PARAM, "image", url=url), Allowance(each, 1000))
    fetcher = Fetcher(MediaSection.model_validate(policy), resolve=web.resolve, transport=web.transport)
    return await fetcher.fetch(url, piece)


async def refused(web: FakeWeb, url: str = URL, **policy: object) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetch(web, url, **policy)
    assert caught.value.param == PARAM
    assert caught.value.message.startswith(f"Invalid value for '{PARAM}': ")
    return caught.value.message


# ------------------------------------------------------------------ pinning
async def test_the_connection_goes_to_the_checked_address_under_the_hosts_name():
    web = FakeWeb({"https://a.example/cat.png?x=1": page()})
    assert await fetch(web, "https://A.example/cat.png?x=1#top") == b"cat"
    (request,) = web.requests
    assert str(request.url.copy_with(fragment=None)) == f"https://{FakeWeb.PUBLIC}/cat.png?x=1"
    assert request.headers["host"] == "a.example"
    assert request.extensions["sni_hostname"] == "a.example"
    assert request.headers["accept-encoding"] == "identity"


async def test_a_name_that_changes_its_mind_after_the_check_changes_nothing():
    web = FakeWeb({URL: page()}, a_example=[["1.1.1.1"], ["127.0.0.1"]])
    assert await fetch(web) == b"cat"
    assert (web.connected, web.looked_up) == (["1.1.1.1"], ["a.example"])


async def test_ipv6_addresses_are_pinned_too():
    web = FakeWeb({URL: page()}, a_example=[["2606:4700::1111"]])
    assert await fetch(web) == b"cat"
    assert web.connected == ["2606:4700::1111"]


async def test_one_bad_address_among_good_ones_refuses_the_host():
    web = FakeWeb({URL: page()}, a_example=[["1.1.1.1", "10.0.0.1"]])
    assert "not public" in await refused(web)
    assert web.requests == []


async def test_the_next_address_is_tried_when_one_takes_no_connection():
    answers = iter([httpx.ConnectError("no"), httpx.ConnectTimeout("no"), page()])

    def next_one():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer()

    web = FakeWeb({URL: next_one}, a_example=[["2606:4700::1", "1.1.1.1", "1.0.0.1"]])
    assert await fetch(web) == b"cat"
    assert web.connected == ["2606:4700::1", "1.1.1.1", "1.0.0.1"]


async def test_a_real_connection_is_made_to_the_address_and_to_no_name():
    async with web_server(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ncat") as (port, heads):
        web = FakeWeb(a_example=[["127.0.0.1"], ["192.0.2.1"]])
        policy = MediaSection.model_validate({"allow": [f"a.example:{port}"]})
        fetcher = Fetcher(policy, resolve=web.resolve)  # a.example itself does not exist
        url = f"http://a.example:{port}/cat.png"
        assert await fetcher.fetch(url, Piece(MediaSource(PARAM, "image"), Allowance(9, 9))) == b"cat"
    head = heads[0].decode().lower()
    assert head.startswith("get /cat.png http/1.1\r\n")
    assert f"host: a.example:{port}\r\n" in head
    assert "authorization" not in head


@pytest.mark.parametrize(("host", "trusted"), [("media.test", True), ("other.test", False)])
async def test_the_certificate_must_be_the_names(host, trusted):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(PEM)
    transport = partial(httpx.AsyncHTTPTransport, verify=ssl.create_default_context(cafile=str(PEM)), trust_env=False)
    async with web_server(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ncat", server) as (port, heads):
        web = FakeWeb(**{host: [["127.0.0.1"]]})
        policy = MediaSection.model_validate({"allow": [f"{host}:{port}"]})
        fetcher = Fetcher(policy, resolve=web.resolve, transport=transport)
        piece = Piece(MediaSource(PARAM, "image"), Allowance(9, 9))
        if trusted:
            assert await fetcher.fetch(f"https://{host}:{port}/", piece) == b"cat"
        else:
            with pytest.raises(InvalidRequest, match="connection failed"):
                await fetcher.fetch(f"https://{host}:{port}/", piece)
    assert len(heads) == trusted


# ------------------------------------------------------------------ who may be asked
@pytest.mark.parametrize("fetch_mode", ["public", "allowlist"])
async def test_this_machine_is_reached_through_the_list_only(fetch_mode):
    async with web_server(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ncat") as (port, heads):
        for allow, works in (([], False), (["127.0.0.1"], False), ([f"127.0.0.1:{port}"], True)):
            policy = MediaSection.model_validate({"fetch": fetch_mode, "allow": allow})
            piece = Piece(MediaSource(PARAM, "image"), Allowance(9, 9))
            url = f"http://127.0.0.1:{port}/"
            if works:
                assert await Fetcher(policy).fetch(url, piece) == b"cat"
            else:
                with pytest.raises(InvalidRequest):
                    await Fetcher(policy).fetch(url, piece)
    assert len(heads) == 1


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]"),
        *("[::]", "localhost", "169.254.169.254", "[64:ff9b::7f00:1]", "127。0。0。1", "①②⑦.⓪.⓪.①"),
    ],
)
async def test_this_machine_by_any_spelling_is_refused(host):
    """With the system's own resolver, which knows these spellings."""
    piece = Piece(MediaSource(PARAM, "image"), Allowance(9, 9))
    with pytest.raises(InvalidRequest) as caught:
        await Fetcher(MediaSection()).fetch(f"http://{host}/", piece)
    assert caught.value.param == PARAM


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "must start with https"),
        ("FILE:///etc/passwd", "must start with https"),
        ("ftp://a.example/x", "must start with https"),
        ("gopher://a.example/x", "must start with https"),
        ("//a.example/x", "must start with https"),
        ("/etc/passwd", "must start with https"),
        ("cat.png", "must start with https"),
        ("iVBORw0KGgo", "must start with https"),
        ("blob:https://a.example/1", "must start with https"),
        ("https://ana:secret@a.example/", "user name or password"),
        ("https://secret@a.example/", "user name or password"),
        ("https://a.example\\@127.0.0.1/", "user name or password"),
        ("https:///cat.png", "names no host"),
        ("https://a.example:22/", "port"),
        ("https://a.example:0/", "port"),
        ("https://a.example:99999/", "port"),
        ("https://[::1/", "not valid"),
        ("https://a.example/\n", "not valid"),
        ("https://" + "a" * 70_000, "not valid"),
        (" https://a.example/", "must start with https"),
    ],
)
async def test_urls_that_are_refused_before_any_look_up(url, says):
    web = FakeWeb()
    message = await refused(web, url)
    assert says in message
    assert "secret" not in message
    assert (web.looked_up, web.requests) == ([], [])


@pytest.mark.parametrize("policy", [{"fetch": "off"}, {"fetch": "allowlist", "allow": ["b.example"]}])
async def test_what_the_operator_forbids_is_not_even_looked_up(policy):
    web = FakeWeb({URL: page()})
    await refused(web, **policy)
    assert web.looked_up == []


async def test_a_name_with_a_dot_at_its_end_is_the_same_name():
    web = FakeWeb({"https://a.example./": page()})
    assert await fetch(web, "https://a.example./", fetch="allowlist", allow=["a.example"]) == b"cat"
    assert web.requests[0].extensions["sni_hostname"] == "a.example"


@pytest.mark.parametrize("fault", [socket.gaierror("no"), UnicodeError("label too long"), None])
async def test_a_host_that_is_not_known(fault):
    async def resolve(host: str, port: int) -> list[str]:
        if fault:
            raise fault
        return []

    fetcher = Fetcher(MediaSection(), resolve=resolve)
    with pytest.raises(InvalidRequest, match="not known"):
        await fetcher.fetch(URL, Piece(MediaSource(PARAM, "image"), Allowance(9, 9)))


# ------------------------------------------------------------------ redirects
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_each_with_its_own_check(status):
    pages = {URL: redirect("/two", status), "https://a.example/two": redirect("//b.example/3")}
    web = FakeWeb({**pages, "https://b.example/3": page()}, b_example=[["1.0.0.1"]])
    assert await fetch(web) == b"cat"
    assert web.connected == [FakeWeb.PUBLIC, FakeWeb.PUBLIC, "1.0.0.1"]
    assert web.looked_up == ["a.example", "a.example", "b.example"]


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://b.example/", "not public"),
        ("http://b.example:6379/", "port"),
        ("file:///etc/passwd", "must start with https"),
        ("https://ana:secret@a.example/", "user name or password"),
        ("https://[::1", "could not be fetched"),
        ("http://a.example:x/", "could not be fetched"),
    ],
)
async def test_a_redirect_to_where_nobody_may_go(location, says):
    web = FakeWeb({URL: redirect(location)}, b_example=[["169.254.169.254"]])
    message = await refused(web)
    assert says in message
    assert "secret" not in message
    assert len(web.requests) == 1


async def test_the_list_names_each_host_of_a_chain():
    web = FakeWeb({URL: redirect("https://b.example/"), "https://b.example/": page()})
    assert "not on the list" in await refused(web, fetch="allowlist", allow=["a.example"])
    assert await fetch(web, fetch="allowlist", allow=["a.example", "b.example"]) == b"cat"


@pytest.mark.parametrize(("hops", "works"), [(MAX_REDIRECTS, True), (MAX_REDIRECTS + 1, False)])
async def test_the_number_of_redirects_is_bounded(hops, works):
    pages = {f"https://a.example/{n}": redirect(f"/{n + 1}") for n in range(hops)}
    web = FakeWeb({**pages, f"https://a.example/{hops}": page()})
    if works:
        assert await fetch(web, "https://a.example/0") == b"cat"
    else:
        assert "more than 5 times" in await refused(web, "https://a.example/0")


# ------------------------------------------------------------------ bodies
async def test_a_body_that_announces_too_much_is_not_read():
    async def body():
        raise AssertionError("it was read")
        yield b""

    web = FakeWeb({URL: page(body, content_length="101")})
    with pytest.raises(PayloadTooLarge, match="larger than 100 bytes") as caught:
        await fetch(web)
    assert (caught.value.param, caught.value.status) == (PARAM, 413)


async def test_a_body_that_goes_on_and_on_is_cut_off():
    sent = 0

    async def body():
        nonlocal sent
        while True:
            sent += 10
            yield bytes(10)

    web = FakeWeb({URL: page(body)})
    with pytest.raises(PayloadTooLarge):
        await fetch(web)
    assert sent == 110


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page(b"", 404), "answered 404"),
        (page(b"", 302), "answered 302"),
        (page(b"part", 206), "answered 206"),
        (page(b""), "empty file"),
        (page(b"\x1f\x8b", content_encoding="gzip"), "compressed"),
        (httpx.ReadError("reset"), "connection failed"),
        (httpx.ConnectError("refused"), "connection failed"),
        (httpx.RemoteProtocolError("cut"), "connection failed"),
    ],
    ids=["404", "no location", "206", "empty", "gzip", "reset", "refused", "cut"],
)
async def test_answers_without_a_file(answer, says):
    assert says in await refused(FakeWeb({URL: answer}))
