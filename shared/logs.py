"""Structured logs: one line an event, as text for people or JSON for machines.

Call sites pass facts by keyword: `log.info("request finished", request=id, model=name, tokens=12)`. Only scalars are
written and long strings are cut, so that a prompt, a body or a key can't slip in as a whole; what a client or a model
wrote is never passed here at all.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from logging.handlers import WatchedFileHandler
from typing import Any, TextIO

_SCALARS = (str, int, float, bool, type(None))
_LONGEST = 300  # characters of one value


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[:_LONGEST] + "…"
    return value if isinstance(value, _SCALARS) else type(value).__name__


class Logger:
    """A logger bound to some facts (a worker's name, a request's id) that every line repeats."""

    def __init__(self, name: str, facts: dict[str, object] | None = None) -> None:
        self._logger = logging.getLogger(name)
        self._facts = facts or {}

    def bind(self, **facts: object) -> Logger:
        return Logger(self._logger.name, self._facts | facts)

    def debug(self, event: str, **facts: object) -> None:
        self._emit(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._emit(logging.INFO, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._emit(logging.WARNING, event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._emit(logging.ERROR, event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """At a process, thread or request boundary only: the traceback goes along."""
        self._emit(logging.ERROR, event, facts, exc_info=True)

    def _emit(self, level: int, event: str, facts: dict[str, object], exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            merged = {key: _scalar(value) for key, value in (self._facts | facts).items()}
            self._logger.log(level, event, extra={"facts": merged}, exc_info=exc_info)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        facts = " ".join(f"{key}={value}" for key, value in getattr(record, "facts", {}).items() if value is not None)
        line = f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7} {record.name:12} {record.getMessage()}"
        line = f"{line}  {facts}" if facts else line
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=False)


def get_logger(name: str, **facts: object) -> Logger:
    return Logger(name, dict(facts))


def set_up(level: str = "info", style: str = "text", stream: TextIO | None = None, file: str | None = None) -> None:
    """Sends every record of the process to `file`, or to `stream` (stderr). Libraries speak from warnings up.

    The file may be moved away at any time (log rotation): the next line opens a new one.
    """
    handler: logging.Handler = logging.StreamHandler(stream or sys.stderr)
    if file is not None:
        handler = WatchedFileHandler(file, encoding="utf-8")
    handler.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, WatchedFileHandler):
            old.close()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("gateway", "workers"):
        logging.getLogger(name).setLevel(level.upper())
