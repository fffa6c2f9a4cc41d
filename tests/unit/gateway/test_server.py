"""gateway/server: two signals, the drain, and the end of the workers; without a socket and without a process."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, ClassVar

import pytest
import uvicorn

from gateway.lifespan import stop_fleet
from gateway.server import LAST_RESORT, Server, end_requests
from tests.fakes.clock import settle
from tests.fakes.dispatcher import make_node


class Ends:
    """A dispatcher that ends the requests it is asked to end."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.called = 0

    def end_all(self) -> None:
        self.called += 1
        while self.node.door.inside:
            self.node.door.leave()


def node_with(grace: str = "1h", inside: int = 0) -> Any:
    node: Any = make_node()
    node.config = node.config.model_validate(node.config.model_dump() | {"node": {"stop_grace": grace}})
    node.dispatcher = Ends(node)
    for _ in range(inside):
        node.door.enter()
    return node


def server_of(node: Any) -> Server:
    return Server(uvicorn.Config(lambda: None), node)


async def test_requests_are_waited_for_and_nothing_is_cut():
    node = node_with(inside=2)
    ending = asyncio.create_task(end_requests(node))
    await settle()
    node.door.leave()
    await settle()
    assert (ending.done(), node.dispatcher.called) == (False, 0)
    node.door.leave()
    await ending
    assert node.dispatcher.called == 1  # so that nothing can come any more


async def test_what_outlasts_the_grace_is_ended():
    node = node_with("0s", inside=1)
    await end_requests(node)
    assert (node.dispatcher.called, node.door.inside) == (1, 0)


async def test_a_hurry_does_not_wait_for_the_grace():
    node = node_with(inside=1)
    ending = asyncio.create_task(end_requests(node))
    await settle()
    node.door.hurried.set()
    await ending
    assert node.dispatcher.called == 1


class Timer:
    """A threading.Timer that only notes what it would do."""

    made: ClassVar[list[Timer]] = []

    def __init__(self, seconds: float, act: Any, args: list[Any]) -> None:
        self.plan = (seconds, act, args)
        self.daemon = self.started = False
        self.made.append(self)

    def start(self) -> None:
        self.started = True


@pytest.fixture(autouse=True)
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Timer]:
    monkeypatch.setattr(Timer, "made", [])
    monkeypatch.setattr("gateway.server.threading.Timer", Timer)
    return Timer.made


def test_a_process_that_is_stuck_ends_all_the_same(timers):
    server = server_of(node_with())
    for _ in range(3):
        server.handle_exit(signal.SIGTERM, None)
    [timer] = timers
    assert timer.plan == (LAST_RESORT, os._exit, [143])
    assert (timer.daemon, timer.started) == (True, True)


@pytest.mark.parametrize(("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_first_signal_closes_the_door_and_the_second_hurries(second, code, monkeypatch):
    node = node_with()
    server = server_of(node)

    async def serve(self, sockets=None):
        server.handle_exit(signal.SIGTERM, None)
        await settle()
        assert (server.should_exit, node.door.closed, node.door.hurried.is_set()) == (True, True, False)
        assert server.exit_code == 0
        server.handle_exit(second, None)
        await settle()

    monkeypatch.setattr(uvicorn.Server, "serve", serve)
    await server.serve()
    assert node.door.hurried.is_set()
    assert (server.exit_code, server.force_exit) == (code, False)  # uvicorn would leave the lifespan out


async def test_uvicorn_goes_on_when_the_requests_have_ended(monkeypatch):
    node, order = node_with(), []

    async def shutdown(self, sockets=None):
        order.append((node.dispatcher.called, self.config.timeout_graceful_shutdown, sockets))

    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    await server_of(node).shutdown(sockets=[])
    assert node.door.closed
    assert order == [(1, 1, [])]


class SlowFleet:
    """Ends when it was killed twice: a process may come up between the two."""

    def __init__(self) -> None:
        self.kills = 0
        self.graces: list[float | None] = []
        self.dead = asyncio.Event()

    async def stop(self, grace: float | None = None) -> None:
        self.graces.append(grace)
        await self.dead.wait()

    def kill(self) -> None:
        self.kills += 1
        if self.kills == 2:
            self.dead.set()


async def test_a_hurry_kills_the_workers_until_they_are_gone():
    node = node_with()
    node.fleet = fleet = SlowFleet()
    stopping = asyncio.create_task(stop_fleet(node))
    await settle()
    assert fleet.kills == 0
    node.door.hurried.set()
    await stopping
    assert fleet.kills == 2


@pytest.mark.parametrize(("closed", "grace"), [(True, 0.0), (False, None)])
async def test_the_workers_get_a_grace_only_where_the_door_has_given_none(closed, grace):
    node = node_with()
    node.fleet = fleet = SlowFleet()
    fleet.dead.set()
    node.door.closed = closed
    await stop_fleet(node)
    assert (fleet.graces, fleet.kills) == ([grace], 0)
