"""A real MCP server: `python mcp_server.py stdio|http|sse [PORT]`. With `http` and `sse` it listens on 127.0.0.1.

It writes its process id to the file in CALLS_LOG, if set, and a line for every call that begins or is cancelled.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("things")


def note(line: str) -> None:
    if "CALLS_LOG" in os.environ:
        with Path(os.environ["CALLS_LOG"]).open("a") as log:
            log.write(f"{line}\n")


@server.tool()
def echo(text: str) -> str:
    """Says it back."""
    return text


@server.tool()
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


@server.tool()
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is 21 degrees and sunny in {city}."


@server.tool()
def environment() -> str:
    """The names of the environment's variables, the working directory, and the arguments."""
    return "\n".join([*sorted(os.environ), str(Path.cwd())])


@server.tool()
def fail() -> str:
    """Raises."""
    raise ValueError("no luck")


@server.tool()
async def slow() -> str:
    """Never answers."""
    note("slow begins")
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        note("slow cancelled")
        raise
    return "never"


@server.tool()
async def grow(ctx: Context) -> str:
    """Adds a tool."""
    server.add_tool(lambda: "grown", name="grown", description="Is new.")
    await ctx.notify_tools_changed()
    return "grew"


if __name__ == "__main__":
    note(f"pid {os.getpid()}")
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http" if sys.argv[1] == "http" else "sse", host="127.0.0.1", port=int(sys.argv[2]))
