"""Responses in SQLite, on a thread of their own: every call waits its turn there, so a read sees every write before it.

What is written survives a kill at any moment (WAL). Responses go when they are older than `MAX_AGE`, and the oldest
ones when all together are larger than `MAX_BYTES`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.responses.database import Database, Limits
from gateway.responses.record import Record
from shared.errors import InternalError
from shared.logs import get_logger

log = get_logger("gateway.responses")

FILE = "responses.sqlite"

T = TypeVar("T")


class ResponseStore:
    """One a node. The file is opened by the first call; a node without one keeps responses in memory."""

    def __init__(
        self, folder: Path | None, limits: Limits | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._limits = limits or Limits()
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "responses")
        self._database: Database | None = None

    async def get(self, response_id: str) -> Record | None:
        return await self._call(lambda database: database.get(response_id))

    async def chain(self, response_id: str) -> tuple[Record, ...] | None:
        """The response and those before it, the oldest first; None when one of them is not there."""
        return await self._call(lambda database: database.chain(response_id))

    async def holding(self, item_id: str) -> Record | None:
        """The response that an item belongs to."""
        return await self._call(lambda database: database.holding(item_id))

    async def save(self, record: Record) -> None:
        """Writes it, or over it. Raises InternalError when it can't be kept."""
        await asyncio.wrap_future(self.save_soon(record))

    def save_soon(self, record: Record) -> Future[None]:
        """The same, for who can't wait; the future ends with the same error."""
        return self._submit(lambda database: database.save(record))

    async def delete(self, response_id: str) -> bool:
        """Whether it was there."""
        return await self._call(lambda database: database.delete(response_id))

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        if self._database is not None:
            self._database.close()

    # ------------------------------------------------------------------ the thread
    async def _call(self, work: Callable[[Database], T]) -> T:
        return await asyncio.wrap_future(self._submit(work))

    def _submit(self, work: Callable[[Database], T]) -> Future[T]:
        try:
            return self._thread.submit(self._run, work)
        except RuntimeError:  # closed
            refused: Future[T] = Future()
            refused.set_exception(InternalError("The node is stopping; nothing is stored any more."))
            return refused

    def _run(self, work: Callable[[Database], T]) -> T:
        try:
            return work(self._opened())
        except OSError as error:  # sqlite3.Error is one of them after `Database` has named it
            log.error("responses can't be stored", folder=str(self._folder), reason=str(error))
            raise InternalError("The node can't read or write its stored responses; its log says why.") from error

    def _opened(self) -> Database:
        if self._database is None:
            path = ":memory:"
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = os.fspath(self._folder / FILE)
            self._database = Database(path, self._limits, self._clock)
        return self._database
