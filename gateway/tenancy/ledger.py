"""What every request has used, in SQLite: numbers and names, never content.

One thread writes; a request's last event waits (briefly) until its row is written, so what clients were told and what
is kept agree even when the gateway is killed. Readers open connections of their own (WAL).
https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from shared.errors import ConfigError
from shared.logs import get_logger

log = get_logger("gateway.usage")

NAME = "usage.db"
PENDING = 10_000  # rows that may wait for the disk; more are lost, and counted
SWEEP = 3600.0  # seconds between looks for rows that are too old
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One request. Times: `at` in seconds since the epoch when it ended, the others in seconds from its arrival."""

    at: float
    key: str
    model: str
    endpoint: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    audio_seconds: float
    queued: float
    first: float | None
    total: float
    outcome: str


_COLUMNS = tuple(field.name for field in fields(Record))
_INSERT = f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    at REAL NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, endpoint TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    audio_seconds REAL NOT NULL, queued REAL NOT NULL, first REAL, total REAL NOT NULL, outcome TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS requests_at ON requests (at);
"""

_Written = Callable[[], object]


class Ledger:
    """Owns the file and its writer. Call from the event loop."""

    def __init__(self, file: Path, retention: float, clock: Callable[[], float]) -> None:
        """`retention` in seconds. Raises ConfigError when the file can't be used."""
        self.file = file
        self.lost = 0
        self._retention = retention
        self._clock = clock
        self._pending: queue.Queue[tuple[Record, _Written] | None] = queue.Queue(PENDING)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.closing(self._connect()) as database:
                if database.execute("PRAGMA user_version").fetchone()[0] > _VERSION:
                    raise ConfigError(f"{file} was written by a newer release")
                database.executescript(f"PRAGMA journal_mode=WAL;{_SCHEMA}PRAGMA user_version={_VERSION};")
            file.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{file}: can't be used: {error}") from error
        self._thread = threading.Thread(target=self._write, name="usage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Waits until everything is written."""
        if self._thread.is_alive():
            self._pending.put(None)
            self._thread.join()

    def record(self, record: Record) -> asyncio.Event:
        """Queues a row; the event is set when it is written, or lost because the disk is far behind."""
        written, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            self._pending.put_nowait((record, lambda: loop.call_soon_threadsafe(written.set)))
        except queue.Full:
            self.lost += 1
            written.set()
        return written

    def tokens_since(self, moment: float) -> dict[str, int]:
        """Prompt and completion tokens of each key since a moment."""
        query = "SELECT key, SUM(prompt_tokens + completion_tokens) FROM requests WHERE at >= ? GROUP BY key"
        with contextlib.closing(self._connect()) as database:
            return {str(key): int(tokens) for key, tokens in database.execute(query, (moment,))}

    # ------------------------------------------------------------------ the writer's thread
    def _write(self) -> None:
        with contextlib.closing(self._connect()) as database:
            self._sweep(database)
            while (rows := self._next(database)) is not None:
                self._insert(database, [astuple(record) for record, _ in rows])
                for _, written in rows:
                    with contextlib.suppress(RuntimeError):  # the loop is gone, nobody waits
                        written()

    def _next(self, database: sqlite3.Connection) -> list[tuple[Record, _Written]] | None:
        """All rows that wait, at least one; None at the end."""
        while True:
            try:
                found = self._pending.get(timeout=SWEEP)
                break
            except queue.Empty:
                self._sweep(database)
        rows = []
        while found is not None:
            rows.append(found)
            try:
                found = self._pending.get_nowait()
            except queue.Empty:
                return rows
        if rows:
            self._pending.put(None)  # the end comes after them
            return rows
        return None

    def _insert(self, database: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
        try:
            with database:
                database.executemany(_INSERT, rows)
        except sqlite3.Error as error:
            self.lost += len(rows)
            log.error("usage was not written", rows=len(rows), error=str(error))

    def _sweep(self, database: sqlite3.Connection) -> None:
        try:
            with database:
                database.execute("DELETE FROM requests WHERE at < ?", (self._clock() - self._retention,))
        except sqlite3.Error as error:
            log.error("old usage was not removed", error=str(error))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.file, timeout=5.0)
        database.execute("PRAGMA synchronous=NORMAL")
        return database
