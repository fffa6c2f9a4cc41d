"""A server that is a program: its process, its environment, its stderr.

It gets the few variables that the package passes on (HOME, PATH and the like) and those of the YAML, runs under
`guard`, and is stopped with everything that it started. What it writes to stderr while it starts goes to the debug
log; later it might write what requests hold, so that only the size of it does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mcp.client.stdio import StdioServerParameters, get_default_environment, stdio_client

from gateway.mcp.server import Link
from shared.config.mcp import McpServer
from shared.errors import ToolServerUnavailable
from shared.logs import get_logger

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

log = get_logger("gateway.mcp")

GUARD = Path(__file__).with_name("guard.py")
_LONGEST_LINE = 8192  # bytes; the rest of a longer one is dropped


@asynccontextmanager
async def stdio(name: str, config: McpServer, link: Link) -> AsyncIterator[TransportStreams]:
    """Raises ToolServerUnavailable when the program isn't there, OSError when it can't be started."""
    program = config.command[0]
    if shutil.which(program, path=(get_default_environment() | config.env).get("PATH")) is None:
        raise ToolServerUnavailable(f"the program `{Path(program).name}` isn't there")
    guard = ["-I", "-S", str(GUARD), str(os.getpid())]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[*guard, *config.command],
        env=dict(config.env),
        cwd=_folder(config),
        encoding_error_handler="replace",
    )
    with _logged(name, link, tuple(config.env.values())) as stderr:
        async with stdio_client(parameters, stderr) as streams:
            yield streams


def _folder(config: McpServer) -> Path | None:
    return Path(config.cwd).expanduser() if config.cwd is not None else None


@contextmanager
def _logged(name: str, link: Link, secrets: tuple[str, ...]) -> Iterator[TextIO]:
    """A file whose lines go to the debug log, without the values of the YAML's `env`."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    loop, lines = asyncio.get_running_loop(), _Lines()

    def read() -> None:
        data = os.read(reading, 65536)
        if link.ready:
            log.debug("MCP server's stderr", server=name, bytes=len(data))
            return
        for line in lines.feed(data):
            log.debug("MCP server's stderr", server=name, line=_without(line, secrets))

    loop.add_reader(reading, read)
    try:
        with os.fdopen(writing, "w") as file:
            yield file
    finally:
        loop.remove_reader(reading)
        os.close(reading)


class _Lines:
    """Bytes to lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_LINE]
        return [line[:_LONGEST_LINE].decode(errors="replace") for line in whole if line.strip()]


def _without(line: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if len(secret) >= 6:  # shorter ones are settings, not secrets
            line = line.replace(secret, "***")
    return line
