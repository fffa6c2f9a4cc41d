"""gateway/doctor/hosting: configuration, address and service."""

from __future__ import annotations

import plistlib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.check import Row
from gateway.cli.node_status import NodeUnreachable
from gateway.doctor import hosting
from gateway.service import launchd, systemd
from gateway.service.manager import Outcome
from gateway.service.plan import Plan
from shared.footprint import Footprint
from tests.fakes.doctor import fake_system

ROW = Row("chat", "x", "llm", 4, context=10, footprint=Footprint(weights=1000, growing=20), needed=1500)


@pytest.mark.parametrize(("budget", "level"), [(2000, "ok"), (1000, "problem")])
def test_the_configuration_fits_or_not(budget: int, level: str) -> None:
    found = hosting.fits([ROW], "node.yaml", budget)
    assert (found.level, found.words.startswith("node.yaml: ")) == (level, True)


def test_a_model_that_cannot_be_hosted() -> None:
    found = hosting.fits([Row("chat", "x", "llm", 4, problem="no weights")], "node.yaml", 2000)
    assert (found.level, "chat: no weights" in found.words) == ("problem", True)


def ask_nobody() -> Mapping[str, Any]:
    raise NodeUnreachable("no answer from http://x")


@pytest.mark.parametrize(
    ("status", "taken", "level", "words"),
    [
        ({"version": "1", "status": "ready"}, True, "ok", "a node answers at http://x: version 1, ready"),
        ({"version": "1", "status": "degraded"}, True, "problem", "degraded"),
        (None, False, "ok", "127.0.0.1:8000 is free"),
        (None, True, "problem", "127.0.0.1:8000 is taken, and no answer from http://x"),
    ],
)
def test_the_address(status: dict[str, Any] | None, taken: bool, level: str, words: str) -> None:
    ask = ask_nobody if status is None else lambda: status
    found, answer = hosting.address("http://x", "127.0.0.1", 8000, ask, lambda *_: taken)
    assert (found.level, words in found.words, answer) == (level, True, status)
    assert bool(found.advice) == (level == "problem")


def test_whether_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert hosting.is_taken("127.0.0.1", port)
    assert not hosting.is_taken("127.0.0.1", port)


# ------------------------------------------------------------------ the service
def agent(home: Path, **changes: Any) -> Path:
    """An installed LaunchAgent, with some of its values changed (None: left out)."""
    program = home / "python"
    program.touch()
    plan = Plan(program, None, home, home, home, 10.0)
    values = plistlib.loads(launchd.to_plist(plan)) | changes
    path = launchd.plist_path(plan)
    path.parent.mkdir(parents=True)
    path.write_bytes(plistlib.dumps({key: value for key, value in values.items() if value is not None}))
    return path


def test_no_service(tmp_path: Path) -> None:
    [found] = hosting.services(fake_system(home=tmp_path))
    assert (found.level, "not installed" in found.words) == ("ok", True)


def test_our_own_agent_is_fine(tmp_path: Path) -> None:
    path = agent(tmp_path)
    [found] = hosting.services(fake_system(home=tmp_path))
    assert (found.level, found.words) == ("ok", f"{path}, ProcessType Interactive")


@pytest.mark.parametrize("kind", ["Background", "Standard", "Adaptive", None])
def test_an_agent_that_launchd_slows_down(kind: str | None, tmp_path: Path) -> None:
    agent(tmp_path, ProcessType=kind)
    [found] = hosting.services(fake_system(home=tmp_path))
    assert (found.level, f"ProcessType {kind or 'Standard'}" in found.words) == ("problem", True)
    assert "8 to 100 times" in found.words
    assert "service install" in found.advice


def test_an_agent_whose_python_is_gone(tmp_path: Path) -> None:
    agent(tmp_path)
    (tmp_path / "python").unlink()
    [found] = hosting.services(fake_system(home=tmp_path))
    assert (found.level, "which is gone" in found.words) == ("problem", True)


@pytest.mark.parametrize("content", [b"", b"<plist><dict>", b"bplist00", plistlib.dumps([1]), plistlib.dumps({})])
def test_an_agent_that_cannot_be_read(content: bytes, tmp_path: Path) -> None:
    agent(tmp_path).write_bytes(content)
    [found] = hosting.services(fake_system(home=tmp_path))
    assert (found.level, "can't be read" in found.words) == ("problem", True)


@pytest.mark.parametrize(("state", "level"), [("active", "ok"), ("inactive", "ok"), ("failed", "problem")])
def test_a_unit(state: str, level: str, tmp_path: Path) -> None:
    path = systemd.unit_path(Plan(tmp_path, None, tmp_path, tmp_path, tmp_path, 1.0))
    path.parent.mkdir(parents=True)
    path.touch()
    system = fake_system(kernel="linux", home=tmp_path, commands={"systemctl": Outcome(3, f"{state}\n")})
    [found] = hosting.services(system)
    assert (found.level, state in found.words) == (level, True)


def test_two_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent(tmp_path)
    monkeypatch.setattr(launchd, "folder", lambda plan: tmp_path / "Library" / "LaunchAgents")
    *_, found = hosting.services(fake_system(home=tmp_path))
    assert (found.level, "installed twice" in found.words) == ("warning", True)
