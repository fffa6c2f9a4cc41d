"""Real MCP servers, written with the official package, over stdio, streamable HTTP and SSE."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.mcp.events import ServerTool
from gateway.mcp.servers import ToolServers
from shared.config.mcp import McpServer
from shared.errors import ToolServerUnavailable
from tests.integration.node import PATIENCE, free_port, until

SERVER = Path(__file__).parents[1] / "fakes" / "mcp_server.py"
NAMES = ["echo", "add", "get_weather", "environment", "fail", "slow", "grow"]
TRANSPORTS = pytest.mark.parametrize("transport", ["stdio", "http", "sse"])


class Things:
    """A `things` server of one transport, and what it wrote down."""

    def __init__(self, servers: ToolServers, notes: Path) -> None:
        self.servers = servers
        self._notes = notes

    @property
    def state(self) -> str:
        return self.servers.facts()[0].state

    async def tool(self, name: str) -> ServerTool:
        return next(tool for tool in await self.servers.tools("things") if tool.name == name)

    async def call(self, name: str, **arguments: object) -> Any:
        return await self.servers.call(await self.tool(name), arguments)

    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def pid(self) -> int:
        return int([note for note in self.notes() if note.startswith("pid ")][-1].removeprefix("pid "))


async def happens(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@contextmanager
def listening(transport: str, notes: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(SERVER), transport, str(port)]
    environment = {**os.environ, "CALLS_LOG": str(notes)}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


@asynccontextmanager
async def things(transport: str, folder: Path, **config: Any) -> AsyncIterator[Things]:
    notes, port = folder / "notes", free_port()
    given: dict[str, Any] = {"command": [sys.executable, str(SERVER), "stdio"], "env": {"CALLS_LOG": str(notes)}}
    if transport != "stdio":
        path = "mcp" if transport == "http" else "sse"
        given = {"url": f"http://127.0.0.1:{port}/{path}", "transport": transport, "headers": {"x-team": "one"}}
    servers = ToolServers({"things": McpServer.model_validate(given | config)})
    found = Things(servers, notes)
    if transport == "stdio":
        servers.start()
        try:
            yield found
        finally:
            await servers.stop()
        return
    with listening(transport, notes, port):
        servers.start()
        try:
            yield found
        finally:
            await servers.stop()


async def ready(found: Things) -> None:
    await happens(lambda: found.state == "ready")


@TRANSPORTS
async def test_a_server_lists_answers_fails_and_is_left(transport: str, tmp_path: Path) -> None:
    async with things(transport, tmp_path) as found:
        await ready(found)
        assert [tool.name for tool in await found.servers.tools("things")] == NAMES
        assert (await found.call("echo", text="höllo\n")).text == "höllo\n"
        assert (await found.call("add", a=2, b=3)).text == "5"
        failed = await found.call("fail")
        assert failed.is_error
        wrong = await found.call("add", a=2)
        assert wrong.is_error
        several = await asyncio.gather(*(found.call("add", a=n, b=n) for n in range(20)))
        assert [result.text for result in several] == [str(2 * n) for n in range(20)]
        await _leave_a_call(found)
        await _hear_of_a_tool(found)
        pid = found.pid()
    assert found.state == "stopped"
    if transport == "stdio":
        assert is_gone(pid)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _leave_a_call(found: Things) -> None:
    call = asyncio.create_task(found.call("slow"))
    await happens(lambda: "slow begins" in found.notes())
    call.cancel()
    await happens(lambda: "slow cancelled" in found.notes())
    assert (await found.call("echo", text="still there")).text == "still there"


async def _hear_of_a_tool(found: Things) -> None:
    await found.call("grow")
    await happens(lambda: any(tool.name == "grown" for tool in found.servers.facts()[0].tools))
    assert (await found.call("grown")).text == "grown"


async def test_a_program_that_is_killed_in_a_call_comes_back(tmp_path: Path) -> None:
    async with things("stdio", tmp_path) as found:
        await ready(found)
        first = found.pid()
        call = asyncio.create_task(found.call("slow"))
        await happens(lambda: "slow begins" in found.notes())
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ToolServerUnavailable):
            await call
        await happens(lambda: found.state == "backoff")
        await ready(found)
        assert found.pid() != first
        assert (await found.call("echo", text="back")).text == "back"


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_listener_that_dies_in_a_call_comes_back(transport: str, tmp_path: Path) -> None:
    notes, port = tmp_path / "notes", free_port()
    path = "mcp" if transport == "http" else "sse"
    config = {"url": f"http://127.0.0.1:{port}/{path}", "transport": transport}
    servers = ToolServers({"things": McpServer.model_validate(config)})
    found = Things(servers, notes)
    servers.start()
    try:
        await happens(lambda: found.state == "backoff")  # nothing listens yet
        with listening(transport, notes, port) as process:
            await ready(found)
            call = asyncio.create_task(found.call("slow"))
            await happens(lambda: "slow begins" in found.notes())
            process.kill()
            with pytest.raises(ToolServerUnavailable):
                await call
            await happens(lambda: found.state == "backoff")
        with listening(transport, notes, port):
            await ready(found)
            assert (await found.call("echo", text="back")).text == "back"
    finally:
        await servers.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_program_gets_little_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_GATEWAY", "x")
    folder = tmp_path / "here"
    folder.mkdir()
    env = {"CALLS_LOG": str(tmp_path / "notes"), "OF_THE_YAML": "y"}
    async with things("stdio", tmp_path, env=env, cwd=str(folder)) as found:
        await ready(found)
        *names, where = (await found.call("environment")).text.splitlines()
        assert "OF_THE_YAML" in names
        assert "SECRET_OF_THE_GATEWAY" not in names
        assert set(names) <= {
            "CALLS_LOG",
            "OF_THE_YAML",
            "HOME",
            "LOGNAME",
            "PATH",
            "SHELL",
            "TERM",
            "USER",
            "LC_CTYPE",
        }
        assert Path(where) == folder


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"command": ["no-such-program-here"]}, "the program `no-such-program-here` isn't there"),
        ({"command": [sys.executable, "-c", "pass"]}, "it answered with the error"),
        ({"command": [sys.executable], "cwd": "/no/such/folder"}, "it can't be reached (No such file or directory)"),
    ],
)
async def test_a_program_that_can_not_be_had_says_why(config: dict[str, Any], why: str) -> None:
    servers = ToolServers({"things": McpServer.model_validate(config)})
    servers.start()
    try:
        await happens(lambda: servers.facts()[0].state == "backoff")
        assert str(servers.facts()[0].error).startswith(why)
    finally:
        await servers.stop()


HOST = """
import asyncio, sys
from gateway.mcp.servers import ToolServers
from shared.config.mcp import McpServer

async def main():
    servers = ToolServers({"things": McpServer(command=tuple(sys.argv[1:]))})
    servers.start()
    await servers.tools("things")
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
DEAF = """
import subprocess, sys, threading, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], stdin=subprocess.DEVNULL)
print(child.pid, file=open(sys.argv[1], "w"), flush=True)
threading.Thread(target=lambda: time.sleep(1000)).start()
sys.argv[1:] = ["stdio"]
exec(open(%r).read())
"""


def test_a_killed_gateway_takes_its_programs_along(tmp_path: Path) -> None:
    """Also one that does not listen to its stdin's end, and its children."""
    note = tmp_path / "child"
    command = [sys.executable, "-c", HOST, sys.executable, "-c", DEAF % str(SERVER), str(note)]
    host = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        below = [process.pid for process in psutil.Process(host.pid).children(recursive=True)]
        assert int(note.read_text()) in below
        host.kill()
        until(lambda: all(is_gone(pid) for pid in below))
    finally:
        host.kill()
        host.communicate()
