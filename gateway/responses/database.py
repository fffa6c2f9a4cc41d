"""The tables behind `ResponseStore`. Used by one thread; raises OSError for whatever SQLite complains of."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psutil

from gateway.responses.record import Record

MAX_AGE = 30 * 24 * 3600.0  # seconds, as OpenAI keeps them
MAX_BYTES = 2**30  # of all responses, packed
MAX_CHAIN = 1000  # responses that may stand behind one another

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, created REAL NOT NULL, previous TEXT, owner TEXT, size INTEGER NOT NULL,
    response BLOB NOT NULL, input BLOB NOT NULL, events BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS responses_created ON responses (created);
CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, response TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_response ON items (response);
"""
_TOO_OLD = "DELETE FROM responses WHERE owner IS NULL AND id != ? AND created < ?"
_OLDEST_FIRST = "SELECT id, size FROM responses WHERE owner IS NULL AND id != ? ORDER BY created"
_TOTAL = "SELECT coalesce(sum(size), 0) FROM responses"
_RESTARTED = "The gateway was restarted before the response was complete."


@dataclass(frozen=True, slots=True)
class Limits:
    """Ages in seconds, sizes in bytes."""

    age: float = MAX_AGE
    size: int = MAX_BYTES


class Database:
    """`owner` of a row is the process that still works on its response."""

    def __init__(self, path: str, limits: Limits, clock: Callable[[], float]) -> None:
        """Responses of processes that are gone are failed here and now."""
        self._limits = limits
        self._clock = clock
        self._me = _owner(psutil.Process())
        with _named():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def _open(self) -> None:
        for pragma in ("auto_vacuum = FULL", "journal_mode = WAL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)
        self._fail_orphans()

    def close(self) -> None:
        self._connection.close()

    def get(self, response_id: str) -> Record | None:
        with _named():
            row = self._connection.execute(
                "SELECT response, input, events, key FROM responses WHERE id = ?", (response_id,)
            ).fetchone()
        if row is None:
            return None
        return Record(_unpack(row[0]), tuple(_unpack(row[1])), tuple(_unpack(row[2])), row[3])

    def chain(self, response_id: str) -> tuple[Record, ...] | None:
        found: list[Record] = []
        wanted: str | None = response_id
        while wanted is not None:
            record = self.get(wanted)
            if record is None or len(found) == MAX_CHAIN:
                return None
            found.append(record)
            wanted = record.previous
        return tuple(reversed(found))

    def holding(self, item_id: str) -> Record | None:
        with _named():
            row = self._connection.execute("SELECT response FROM items WHERE id = ?", (item_id,)).fetchone()
        return None if row is None else self.get(row[0])

    def save(self, record: Record) -> None:
        packed = [_pack(record.response), _pack(record.input), _pack(record.events)]
        size = sum(len(one) for one in packed)
        owner = self._me if record.runs else None
        row = (record.id, record.key, record.response["created_at"], record.previous, owner, size, *packed)
        with _named(), self._transaction():
            self._connection.execute("DELETE FROM responses WHERE id = ?", (record.id,))
            self._connection.execute("INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._connection.executemany(
                "INSERT OR IGNORE INTO items VALUES (?, ?)", [(item, record.id) for item in record.item_ids()]
            )
            self._prune(record.id)

    def delete(self, response_id: str) -> bool:
        with _named():
            return self._connection.execute("DELETE FROM responses WHERE id = ?", (response_id,)).rowcount > 0

    # ------------------------------------------------------------------ what goes
    def _prune(self, keep: str) -> None:
        """Responses that still run stay, and so does the one that was just written."""
        self._connection.execute(_TOO_OLD, (keep, self._clock() - self._limits.age))
        excess = self._connection.execute(_TOTAL).fetchone()[0] - self._limits.size
        if excess <= 0:
            return
        for response_id, size in self._connection.execute(_OLDEST_FIRST, (keep,)).fetchall():
            self._connection.execute("DELETE FROM responses WHERE id = ?", (response_id,))
            excess -= size
            if excess <= 0:
                return

    def _fail_orphans(self) -> None:
        rows = self._connection.execute("SELECT id, owner FROM responses WHERE owner IS NOT NULL").fetchall()
        for response_id, owner in rows:
            record = self.get(response_id)
            if record is None or _is_alive(owner):
                continue
            error = {"code": "server_error", "message": _RESTARTED}
            self.save(replace(record, response={**record.response, "status": "failed", "error": error}))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _owner(process: psutil.Process) -> str:
    return f"{process.pid} {process.create_time()}"


def _is_alive(owner: str) -> bool:
    try:
        return _owner(psutil.Process(int(owner.split()[0]))) == owner
    except psutil.Error:
        return False


def _pack(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def _unpack(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))
