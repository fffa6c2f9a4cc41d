"""Another configuration for a running node: by SIGHUP, by a command, or because the file has changed.

The new file is validated whole before anything changes. What only a start can change is named in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.api.node import Node
from gateway.tenancy.keyfile import stamp
from shared.config import NodeConfig
from shared.detect import detect_kind
from shared.errors import ConfigError
from shared.logs import get_logger

log = get_logger("gateway.reload")

LOOK = 1.0  # seconds between looks at the file
FIXED = (
    ("server", ("host", "port", "max_body", "queue", "cors_origins")),
    ("node", ("state_dir", "usage_retention", "load_timeout", "hang_timeout", "stop_grace")),
)


class Reloader:
    """`read` makes the configuration as at the start; `file` is watched, None: nothing is."""

    def __init__(self, node: Node, read: Callable[[], NodeConfig], file: Path | None) -> None:
        self._node = node
        self._read = read
        self._file = file
        self._stamp = stamp(file) if file else None
        self._one = asyncio.Lock()

    async def reload(self) -> list[str]:
        """Applies the configuration as it is now; returns what needs a restart. A ConfigError changes nothing."""
        async with self._one:
            self._stamp = stamp(self._file) if self._file else None
            config = await asyncio.to_thread(self._read)
            before, node = self._node.config, self._node
            node.ring.configure(config.keys)
            fixed = needs_restart(before, config)
            for name in config.models.keys() - before.models.keys():
                node.dispatcher.add_model(name)
            node.registry.apply(config, detect_kind, int(time.time()))
            node.config = config
            log.info("reloaded", models=len(config.models), restart=", ".join(fixed) or None)
            await node.fleet.apply(config)
            return fixed

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Reloads whenever the file has changed."""
        while True:
            await sleep(LOOK)
            if self._file is not None and stamp(self._file) != self._stamp:
                await self.try_reload()

    async def try_reload(self) -> None:
        """For whoever can't be answered: a mistake goes to the log. A node that ends starts nothing anew."""
        if self._node.door.closed:
            return
        try:
            await self.reload()
        except ConfigError as error:
            log.error("the configuration is not used", error=error.message)


def needs_restart(before: NodeConfig, after: NodeConfig) -> list[str]:
    """The keys that differ and that only a start reads."""
    found = [
        f"{section}.{key}"
        for section, keys in FIXED
        for key in keys
        if getattr(getattr(before, section), key) != getattr(getattr(after, section), key)
    ]
    return found + [section for section in ("media", "mcp") if getattr(before, section) != getattr(after, section)]
