"""Connects to a server through the official `mcp` package, which takes most of a second to import: not at start-up."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.mcp.server import Link, Session
from shared.config.mcp import McpServer


@asynccontextmanager
async def connect(name: str, config: McpServer, link: Link) -> AsyncIterator[Session]:
    """See `sdk.connect`."""
    sdk = await asyncio.to_thread(importlib.import_module, "gateway.mcp.sdk")
    async with sdk.connect(name, config, link) as session:
        yield session
