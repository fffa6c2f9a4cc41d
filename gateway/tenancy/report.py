"""Sums over the usage ledger, by key, model and day. Reads only; call it in a thread."""

from __future__ import annotations

import contextlib
import csv
import io
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

By = Literal["key", "model", "endpoint", "day"]
GROUPS: tuple[By, ...] = get_args(By)
_EXPRESSIONS: dict[str, str] = {"day": "date(at, 'unixepoch')"}
_SUMS = (
    ("requests", "COUNT(*)"),
    ("errors", "SUM(outcome NOT IN ('stop', 'length', 'tool_calls', 'finished', 'cancelled'))"),
    ("prompt_tokens", "SUM(prompt_tokens)"),
    ("cached_tokens", "SUM(cached_tokens)"),
    ("completion_tokens", "SUM(completion_tokens)"),
    ("audio_seconds", "ROUND(SUM(audio_seconds), 3)"),
    ("mean_queued", "ROUND(AVG(queued), 4)"),
    ("mean_first", "ROUND(AVG(first), 4)"),
    ("mean_total", "ROUND(AVG(total), 4)"),
)
MEASURES = tuple(name for name, _ in _SUMS)


def totals(
    file: Path, by: Sequence[By], since: date | None = None, until: date | None = None, key: str | None = None
) -> list[dict[str, Any]]:
    """One row for each combination of `by`, in order; days in UTC, both ends included. No file: no rows."""
    if not file.is_file():
        return []
    groups = [_EXPRESSIONS.get(name, name) for name in by]
    where, values = _where(since, until, key)
    columns = [f"{group} AS {name}_" for group, name in zip(groups, by, strict=True)]
    columns += [f"{expression} AS {name}" for name, expression in _SUMS]
    query = f"SELECT {', '.join(columns)} FROM requests WHERE {where}"  # noqa: S608 (names from the tables above)
    if groups:
        query += f" GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}"
    names = (*by, *MEASURES)
    with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as database:
        return [dict(zip(names, row, strict=True)) for row in database.execute(query, values)]


def to_csv(rows: Sequence[dict[str, Any]], by: Sequence[By]) -> str:
    """RFC 4180, with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, (*by, *MEASURES))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _where(since: date | None, until: date | None, key: str | None) -> tuple[str, list[object]]:
    parts: list[str] = ["1"]
    values: list[object] = []
    if since is not None:
        parts.append("at >= ?")
        values.append(_midnight(since))
    if until is not None:
        parts.append("at < ?")
        values.append(_midnight(until + timedelta(days=1)))
    if key is not None:
        parts.append("key = ?")
        values.append(key)
    return " AND ".join(parts), values


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
