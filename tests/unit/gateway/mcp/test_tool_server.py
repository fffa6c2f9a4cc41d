"""The life of one server, with a fake clock and fake connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.mcp.events import ServerTool
from gateway.mcp.server import ToolServer
from shared.config.mcp import McpServer
from shared.errors import DeadlineExceeded, ToolServerUnavailable
from tests.fakes.clock import FakeClock, settle
from tests.fakes.tool_servers import CLOCK, WEATHER, FakeConnections

BROKEN = OSError(111, "Connection refused")


@asynccontextmanager
async def living(
    connections: FakeConnections, *, connect_timeout: float = 60.0, **config: Any
) -> AsyncIterator[tuple[ToolServer, FakeClock]]:
    clock = FakeClock()
    server = ToolServer(
        "weather",
        McpServer.model_validate({"command": ["x"], **config}),
        connections,
        connect_timeout=connect_timeout,
        clock=clock,
        sleep=clock.sleep,
    )
    server.start()
    try:
        yield server, clock
    finally:
        await server.stop()
        assert server.state == "stopped"


async def test_it_connects_lists_its_tools_and_is_ready() -> None:
    async with living(FakeConnections()) as (server, _):
        assert server.state == "connecting"
        assert await server.tools() == (WEATHER,)
        assert server.facts().state == "ready"
        assert server.facts().transport == "stdio"


async def test_only_the_tools_of_the_yaml_are_offered() -> None:
    other = ServerTool("weather", "set_weather")
    async with living(FakeConnections(tools=[WEATHER, other]), tools=["set_weather"]) as (server, _):
        assert await server.tools() == (other,)


async def test_failures_back_off_from_one_second_to_a_minute() -> None:
    connections = FakeConnections(*[BROKEN] * 8)
    async with living(connections) as (server, clock):
        for attempt, delay in enumerate([1, 2, 4, 8, 16, 32, 60, 60], start=1):
            await settle()
            assert (server.state, connections.attempts) == ("backoff", attempt)
            await clock.advance(delay - 0.1)
            assert connections.attempts == attempt
            await clock.advance(0.1)
        assert server.state == "ready"
        assert server.error is None


async def test_a_server_that_is_not_there_says_why() -> None:
    async with living(FakeConnections(BROKEN)) as (server, _):
        with pytest.raises(ToolServerUnavailable, match=r"`weather` is not available: .*Connection refused"):
            await server.tools()
        with pytest.raises(ToolServerUnavailable):
            await server.call("get_weather", {})


async def test_no_answer_in_time_is_a_failure_and_leaves_the_connection() -> None:
    connections = FakeConnections(asyncio.Event())
    async with living(connections, connect_timeout=0.0) as (server, _):
        await settle()
        assert server.state == "backoff"
        assert server.error == "no answer within 0 s"


async def test_requests_wait_for_a_server_that_has_just_been_started_but_not_for_one_that_hangs() -> None:
    async with living(FakeConnections(asyncio.Event())) as (server, clock):
        early = asyncio.create_task(server.tools())
        await settle()
        assert not early.done()
        early.cancel()
        await clock.advance(10)
        with pytest.raises(ToolServerUnavailable, match="not available yet"):
            await server.tools()


async def test_a_lost_connection_is_made_again() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, clock):
        await server.tools()
        connections.sessions[0].link.on_lost()
        await settle()
        assert server.state == "backoff"
        assert server.facts().tools == ()
        assert connections.sessions[0].closed
        await clock.advance(1)
        assert server.state == "ready"


async def test_a_minute_of_being_ready_makes_up_for_earlier_failures() -> None:
    connections = FakeConnections(BROKEN, BROKEN)
    async with living(connections) as (server, clock):
        await clock.advance(3)
        assert server.state == "ready"
        await clock.advance(60)
        connections.sessions[0].link.on_lost()
        await clock.advance(1)
        assert server.state == "ready"


async def test_a_short_life_does_not() -> None:
    connections = FakeConnections(BROKEN, BROKEN)
    async with living(connections) as (server, clock):
        await clock.advance(3)
        connections.sessions[0].link.on_lost()
        await clock.advance(3.9)
        assert server.state == "backoff"


async def test_changed_tools_are_listed_again() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, _):
        await server.tools()
        connections.sessions[0].tools = [CLOCK]
        connections.sessions[0].link.on_tools_changed()
        await settle()
        assert await server.tools() == (CLOCK,)


async def test_a_call_is_answered() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, _):
        await server.tools()
        connections.sessions[0].gate.set()
        assert (await server.call("get_weather", {"city": "Paris"})).text == "get_weather {'city': 'Paris'}"


async def test_a_call_ends_with_its_connection() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, _):
        await server.tools()
        call = asyncio.create_task(server.call("get_weather", {}))
        await settle()
        connections.sessions[0].link.on_lost()
        with pytest.raises(ToolServerUnavailable, match="went away while `get_weather` ran"):
            await call


async def test_a_call_ends_with_the_gateway() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, _):
        await server.tools()
        call = asyncio.create_task(server.call("get_weather", {}))
        await settle()
        await server.stop()
        with pytest.raises(ToolServerUnavailable):
            await call


async def test_a_call_has_its_time() -> None:
    connections = FakeConnections()
    async with living(connections, timeout=0.001) as (server, _):
        await server.tools()
        with pytest.raises(DeadlineExceeded, match=r"`get_weather` .* did not answer within 0\.001 s"):
            await server.call("get_weather", {})
        await settle()
        assert connections.sessions[0].cancelled == 1
        assert server.state == "ready"


async def test_a_caller_that_leaves_cancels_its_call() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, _):
        await server.tools()
        call = asyncio.create_task(server.call("get_weather", {}))
        await settle()
        call.cancel()
        await settle()
        assert connections.sessions[0].cancelled == 1


async def test_what_is_entered_in_a_task_is_left_in_it() -> None:
    connections = FakeConnections()
    async with living(connections) as (server, clock):
        await server.tools()
        connections.sessions[0].link.on_lost()
        await clock.advance(1)
    assert len(connections.tasks) == 2
    assert all(entered is left for entered, left in connections.tasks)


async def test_stopping_ends_every_task() -> None:
    for plan in ([], [BROKEN], [asyncio.Event()]):
        async with living(FakeConnections(*plan)):
            await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_one_that_never_started_stops() -> None:
    server = ToolServer("weather", McpServer(command=("x",)), FakeConnections())
    await server.stop()
    assert server.state == "stopped"
