from __future__ import annotations

import asyncio
import base64
import threading

import pytest

import gateway.media.load as load
from gateway.media.load import AT_ONCE, MAX_PIECES, THREAD_FROM, MediaLoader
from gateway.media.source import MediaSource
from shared.config import MediaSection
from shared.errors import InvalidRequest, PayloadTooLarge
from tests.fakes.web import FakeWeb, page


def source(index: int, url: str | None = None, data: str | None = None) -> MediaSource:
    return MediaSource(f"messages[0].content[{index}]", "image", url, data)


def loader(web: FakeWeb | None = None, total: int = 1000, **policy: object) -> MediaLoader:
    web = web or FakeWeb()
    return MediaLoader(MediaSection.model_validate(policy), total, resolve=web.resolve, transport=web.transport)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_every_source_in_its_order():
    web = FakeWeb({"https://a.example/": page(b"one")})
    sources = [
        source(0, "https://a.example/"),
        source(1, f"data:image/png;base64,{base64_of(b'two')}"),
        source(2, data=base64_of(b"three")),
        source(3, "https://a.example/"),
    ]
    assert await loader(web).load(sources) == (b"one", b"two", b"three", b"one")


async def test_nothing_is_nothing():
    assert await loader().load([]) == ()


async def test_data_urls_need_no_permission():
    url = f"data:image/png;base64,{base64_of(b'two')}"
    assert await loader(fetch="off").load([source(0, url)]) == (b"two",)
    with pytest.raises(InvalidRequest, match="send a data URL"):
        await loader(fetch="off").load([source(0, "https://a.example/")])


async def test_only_large_base64_goes_to_a_thread(monkeypatch):
    threads = []

    def spy(text, piece):
        threads.append(threading.current_thread() is threading.main_thread())
        return b"x"

    monkeypatch.setattr(load, "decode_base64", spy)
    await loader().load([source(0, data="A" * THREAD_FROM), source(1, data="A" * (THREAD_FROM + 1))])
    assert threads == [True, False]


# ------------------------------------------------------------------ bounds
async def test_the_number_of_parts_is_bounded():
    sources = [source(n, data="AAAA") for n in range(MAX_PIECES + 1)]
    assert len(await loader().load(sources[:-1])) == MAX_PIECES
    with pytest.raises(InvalidRequest, match="at most 64 media parts") as caught:
        await loader().load(sources)
    assert caught.value.param == f"messages[0].content[{MAX_PIECES}]"


@pytest.mark.parametrize("second", [source(1, "https://a.example/"), source(1, data=base64_of(bytes(60)))])
async def test_the_media_of_a_request_are_bounded_together(second):
    web = FakeWeb({"https://a.example/": page(bytes(60))})
    sources = [source(0, data=base64_of(bytes(60))), second]
    assert len(await loader(web, total=120).load(sources)) == 2
    with pytest.raises(PayloadTooLarge, match="larger than 119 bytes") as caught:
        await loader(web, total=119).load(sources)
    assert caught.value.param == "messages[0].content[1]"


async def test_each_piece_is_bounded_alone():
    with pytest.raises(PayloadTooLarge, match="larger than 59 bytes") as caught:
        await loader(max_bytes=59).load([source(0, data="AAAA"), source(1, data=base64_of(bytes(60)))])
    assert caught.value.param == "messages[0].content[1]"


async def test_a_few_are_fetched_at_once():
    running, most = 0, 0
    full, go = asyncio.Event(), asyncio.Event()

    async def body():
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == AT_ONCE:
            full.set()
        await go.wait()
        running -= 1
        yield b"x"

    web = FakeWeb({"https://a.example/": page(body)})
    work = asyncio.create_task(loader(web).load([source(n, "https://a.example/") for n in range(3 * AT_ONCE)]))
    await full.wait()
    assert len(web.requests) == AT_ONCE
    go.set()
    assert await work == (b"x",) * 3 * AT_ONCE
    assert most == AT_ONCE


# ------------------------------------------------------------------ endings
async def test_the_first_failure_ends_the_others():
    entered, left = asyncio.Event(), asyncio.Event()

    async def endless():
        entered.set()
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            left.set()

    async def too_much():
        await entered.wait()
        yield bytes(11)

    web = FakeWeb({"https://a.example/": page(endless), "https://b.example/": page(too_much)})
    pages = [source(0, "https://a.example/"), source(1, "https://b.example/")]
    with pytest.raises(PayloadTooLarge) as caught:
        await loader(web, max_bytes=10).load(pages)
    assert caught.value.param == "messages[0].content[1]"
    assert left.is_set()


async def test_a_body_that_never_ends_meets_the_deadline():
    timeouts: list[asyncio.Timeout] = []
    moments: list[float] = []

    def timeout_at(when: float) -> asyncio.Timeout:
        moments.append(when)
        timeouts.append(asyncio.timeout(None))
        return timeouts[-1]

    async def endless():
        yield b"a"
        timeouts[-1].reschedule(0)  # now it is too late
        await asyncio.Event().wait()
        yield b"b"

    web = FakeWeb({"https://a.example/": page(endless)})
    policy = MediaSection.model_validate({"timeout": "30s"})
    patient = MediaLoader(policy, 1000, resolve=web.resolve, transport=web.transport, timeout_at=timeout_at)
    before = asyncio.get_running_loop().time()
    with pytest.raises(InvalidRequest, match="within 30 seconds") as caught:
        await patient.load([source(0, "https://a.example/")])
    assert caught.value.param == "messages[0].content[0]"
    assert before + 30 <= moments[0] <= asyncio.get_running_loop().time() + 30


async def test_all_fetches_of_a_request_share_one_deadline():
    moments: list[float] = []

    def timeout_at(when: float) -> asyncio.Timeout:
        moments.append(when)
        return asyncio.timeout(None)

    web = FakeWeb({"https://a.example/": page()})
    shared = MediaLoader(MediaSection(), 1000, resolve=web.resolve, transport=web.transport, timeout_at=timeout_at)
    await shared.load([source(n, "https://a.example/") for n in range(2 * AT_ONCE)])
    assert (len(moments), len(set(moments))) == (2 * AT_ONCE, 1)


async def test_a_look_up_that_never_ends_meets_the_deadline_too():
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    policy = MediaSection.model_validate({"timeout": "1ms"})
    with pytest.raises(InvalidRequest, match=r"within 0\.001 seconds"):
        await MediaLoader(policy, 1000, resolve=resolve).load([source(0, "https://a.example/")])


async def test_a_cancellation_ends_the_fetches():
    entered, left = asyncio.Event(), asyncio.Event()

    async def endless():
        entered.set()
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            left.set()

    web = FakeWeb({"https://a.example/": page(endless)})
    work = asyncio.create_task(loader(web).load([source(0, "https://a.example/")]))
    await entered.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert left.is_set()
