"""shared/logs: what a line holds, and what it never holds."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.logs import get_logger, set_up


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "gateway", "workers")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_text_is_one_line_with_its_facts() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream)
    get_logger("gateway.api", model="chat").bind(request="r1").info("request finished", tokens=12, param=None)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} info    gateway\.api  request finished  model=chat request=r1 tokens=12\n",
        stream.getvalue(),
    )


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    set_up("info", "json", stream)
    get_logger("workers.text").warning("slow step", ms=12.5, queue=None)
    line = json.loads(stream.getvalue())
    assert line.pop("time") > 0
    assert line == {"level": "warning", "logger": "workers.text", "event": "slow step", "ms": 12.5, "queue": None}


@pytest.mark.parametrize("style", ["text", "json"])
def test_long_strings_and_objects_never_slip_in(style: str) -> None:
    stream = io.StringIO()
    set_up("debug", style, stream)
    get_logger("gateway").debug("odd", body="secret" * 1000, messages=["secret"], headers={"authorization": "secret"})
    assert len(stream.getvalue()) < 600
    assert stream.getvalue().count("secret") == 50  # the cut value: 300 characters
    assert "list" in stream.getvalue()
    assert "dict" in stream.getvalue()


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exception_brings_its_traceback(style: str) -> None:
    stream = io.StringIO()
    set_up("info", style, stream)
    try:
        raise LookupError("gone")
    except LookupError:
        get_logger("gateway").exception("request failed", request="r1")
    assert "Traceback" in stream.getvalue()
    assert "LookupError: gone" in stream.getvalue()


def test_levels_are_for_our_own_lines() -> None:
    stream = io.StringIO()
    set_up("debug", "text", stream)
    logging.getLogger("httpx").info("GET /?key=1")
    logging.getLogger("httpx").warning("retrying")
    get_logger("workers").debug("step")
    set_up("error", "text", stream)
    get_logger("workers").warning("quiet")
    assert [line.split(maxsplit=3)[3] for line in stream.getvalue().splitlines()] == ["retrying", "step"]


def test_a_log_file_that_is_moved_away_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "gateway.log"
    set_up("info", "text", file=str(file))
    get_logger("gateway.test").info("first")
    file.rename(tmp_path / "gateway.log.0")
    get_logger("gateway.test").info("second")
    set_up("info", "text")
    assert "first" in (tmp_path / "gateway.log.0").read_text()
    assert "second" in file.read_text()
    assert "first" not in file.read_text()
