from __future__ import annotations

import asyncio

import pytest

from gateway.api.streams import AT_ONCE, Renamed, Several
from shared.errors import ContextLengthExceeded, Overloaded
from shared.messages import TextDelta, Usage
from tests.fakes.dispatcher import FakeStream


def text(request):
    return TextDelta(request, 0, request)


async def read(stream):
    async with stream:
        return [event.text async for event in stream]


# ------------------------------------------------------------------ several
async def test_events_come_as_they_are_there():
    gate = asyncio.Event()
    first, second = FakeStream([gate, text("a")]), FakeStream([text("b"), text("c")])
    several = Several([lambda: first, lambda: second])
    found = []
    async with several:
        async for event in several:
            found.append(event.text)
            if event.text == "c":
                gate.set()
    assert found == ["b", "c", "a"]
    assert [first.cancelled, second.cancelled] == [False, False]


async def test_a_whole_answer_is_in_the_order_of_the_requests():
    gate = asyncio.Event()
    several = Several([lambda: FakeStream([gate, text("a")]), lambda: FakeStream([text("b")])])
    asyncio.get_running_loop().call_soon(gate.set)
    async with several:
        assert [event.text for event in await several.whole()] == ["a", "b"]


async def test_usage_is_added_up():
    several = Several([lambda: FakeStream([text("a")], Usage(3, 2, 1)), lambda: FakeStream([], Usage(5, 0, 4))])
    assert several.usage == Usage()
    await read(several)
    assert several.usage == Usage(8, 2, 5)


@pytest.mark.parametrize("whole", [True, False])
async def test_one_that_fails_ends_all(whole):
    waits = FakeStream([asyncio.Event()])
    several = Several([lambda: waits, lambda: FakeStream([Overloaded("full")])])
    with pytest.raises(Overloaded):
        async with several:
            await (several.whole() if whole else anext(several))
    assert waits.cancelled


async def test_a_refusal_at_the_door_is_the_first_thing_read():
    def refuse():
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        await read(Several([refuse]))


async def test_leaving_cancels_what_runs():
    streams = [FakeStream([text("a"), asyncio.Event()]) for _ in range(3)]
    async with Several([lambda stream=stream: stream for stream in streams]) as several:
        await anext(several)
    assert all(stream.cancelled for stream in streams)


async def test_waiting_takes_nothing_away():
    gate = asyncio.Event()
    several = Several([lambda: FakeStream([gate, text("a")])])
    async with several:
        assert not await several.wait(0)
        gate.set()
        assert await several.wait(10)
        assert (await anext(several)).text == "a"


async def test_only_so_many_are_open_at_a_time():
    gate, opened = asyncio.Event(), []

    def one():
        opened.append(FakeStream([gate, text("a")]))
        return opened[-1]

    async with Several([one] * (AT_ONCE + 5)) as several:
        assert not await several.wait(0.001)
        assert len(opened) == AT_ONCE
        gate.set()
        assert len([event async for event in several]) == len(opened) == AT_ONCE + 5


# ------------------------------------------------------------------ renamed
def rename(param, message):
    return f"client.{param}", message.upper()


@pytest.mark.parametrize("whole", [True, False])
async def test_an_error_is_told_in_the_clients_words(whole):
    inner = FakeStream([ContextLengthExceeded("long", param="messages", retry_after=3)])
    stream = Renamed(inner, rename)
    with pytest.raises(ContextLengthExceeded) as caught:
        async with stream:
            await (stream.whole() if whole else anext(stream))
    assert (caught.value.param, caught.value.message, caught.value.retry_after) == ("client.messages", "LONG", 3)
    assert inner.closed.is_set()


async def test_everything_else_passes():
    stream = Renamed(FakeStream([text("a")], Usage(1)), rename)
    assert await stream.wait(1)
    assert await read(stream) == ["a"]
    assert stream.usage == Usage(1)
