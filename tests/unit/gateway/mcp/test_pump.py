import asyncio

import pytest

from gateway.mcp.pump import Pump
from tests.fakes.clock import settle


async def test_events_in_order_and_an_end() -> None:
    async def produce() -> None:
        for number in range(3):
            pump.put(number)

    pump: Pump[int] = Pump(produce)
    assert [await pump.next() for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await pump.next()


async def test_an_exception_comes_after_the_events_and_once() -> None:
    async def produce() -> None:
        pump.put(1)
        raise ValueError("broken")

    pump: Pump[int] = Pump(produce)
    assert await pump.next() == 1
    with pytest.raises(ValueError, match="broken"):
        await pump.next()
    with pytest.raises(StopAsyncIteration):
        await pump.next()


async def test_waiting_for_events_may_be_given_up() -> None:
    gate = asyncio.Event()

    async def produce() -> None:
        await gate.wait()
        pump.put(1)

    pump: Pump[int] = Pump(produce)
    waiting = asyncio.create_task(pump.filled())
    await settle()
    waiting.cancel()
    gate.set()
    assert await pump.next() == 1


async def test_closing_ends_the_task_and_drops_the_rest() -> None:
    async def produce() -> None:
        pump.put(1)
        await asyncio.Event().wait()

    pump: Pump[int] = Pump(produce)
    await pump.filled()
    await pump.close()
    await pump.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(StopAsyncIteration):
        await pump.next()


async def test_one_that_was_closed_never_starts() -> None:
    started = []

    async def produce() -> None:
        started.append(True)

    pump: Pump[int] = Pump(produce)
    await pump.close()
    with pytest.raises(StopAsyncIteration):
        await pump.next()
    assert started == []
