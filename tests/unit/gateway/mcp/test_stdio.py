"""What a program writes to stderr, in the log."""

import logging
import os
import subprocess
import sys

import pytest

from gateway.mcp.server import Link
from gateway.mcp.stdio import _logged
from tests.fakes.clock import settle


async def lines(caplog: pytest.LogCaptureFixture, link: Link, *written: bytes) -> list[dict[str, object]]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "gateway.mcp"), _logged("things", link, ("hunter22", "on")) as file:
        for data in written:
            os.write(file.fileno(), data)
            await settle()
    return [vars(record)["facts"] for record in caplog.records]


async def test_lines_are_logged_while_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines(caplog, Link(), b"one\ntw", b"o\n\n") == [
        {"server": "things", "line": "one"},
        {"server": "things", "line": "two"},
    ]


async def test_values_of_its_environment_are_not(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines(caplog, Link(), b"token hunter22, switched on\n")
    assert line["line"] == "token ***, switched on"


async def test_a_line_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines(caplog, Link(), b"x" * 60_000 + b"\n")
    assert len(str(line["line"])) < 400


async def test_once_it_is_ready_only_the_size_is(caplog: pytest.LogCaptureFixture) -> None:
    link = Link()
    link.ready = True
    assert await lines(caplog, link, b"what a request holds\n") == [{"server": "things", "bytes": 21}]


def test_the_gateway_starts_without_importing_the_package() -> None:
    code = "import sys, gateway.app; sys.exit('mcp' in sys.modules or 'mcp_types' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
