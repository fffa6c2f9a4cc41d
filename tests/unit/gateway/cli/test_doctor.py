"""gateway/cli/doctor: what is asked in which order, how it is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gateway.cli.doctor as doctor
from gateway.cli.main import main
from gateway.cli.node_status import NodeUnreachable
from gateway.doctor import hosting, speed
from gateway.doctor.finding import Finding, ok, problem, warning
from tests.fakes.doctor import GB, fake_system

CHAT = Path(__file__).parents[4] / "configs" / "demo" / "demo-chat"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A healthy machine without a node; the test may put a status in."""
    found: dict[str, Any] = {"status": None, "urls": []}

    def ask(method: str, url: str, path: str, key: str | None, *_: Any) -> dict[str, Any]:
        found["urls"].append(url)
        if found["status"] is None:
            raise NodeUnreachable("no answer")
        return dict(found["status"])

    for name in ("CONFIG", "URL", "HOST", "PORT", "API_KEY"):
        monkeypatch.delenv(f"MLX_GATEWAY_{name}", raising=False)
    monkeypatch.setenv("MLX_GATEWAY_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(doctor, "System", lambda: fake_system(home=tmp_path))
    monkeypatch.setattr(doctor, "ask", ask)
    monkeypatch.setattr(hosting, "is_taken", lambda *_: False)
    monkeypatch.setattr(speed, "examine", lambda *_: warning("speed", "slow", "wait"))
    return found


def test_a_healthy_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(CHAT)]) == 0
    shown = capsys.readouterr().out
    assert "Apple M4 Max" in shown
    assert "the command line: weights" in shown
    assert "127.0.0.1:8000 is free" in shown
    assert shown.endswith("all is well\n")


def test_problems_are_the_exit_code_and_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "System", lambda: fake_system(mac_version="13.0", home=Path("/nowhere")))
    assert main(["doctor", str(CHAT)]) == 1
    shown = capsys.readouterr().out
    assert "x system         macOS 13.0\n" in shown
    assert "-> MLX needs macOS 14 or later" in shown
    assert "problems: 1, warnings: 0" in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(CHAT), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["findings"][0] == {"matter": "chip", "level": "ok", "words": "Apple M4 Max", "advice": ""}
    assert {one["matter"] for one in answer["findings"]} >= {
        "hub cache",
        "state",
        "configuration",
        "service",
        "address",
    }


def test_a_broken_configuration_is_a_finding_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "node.yaml").write_text("models: {chat: {sauce: x}}\n")
    assert main(["doctor", "--config", str(tmp_path / "node.yaml"), "--json"]) == 1
    findings = {one["matter"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["configuration"]["level"] == "problem"
    assert "sauce" in findings["configuration"]["words"]
    assert findings["chip"]["level"] == findings["address"]["level"] == "ok"


def test_what_does_not_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = fake_system(memory=lambda: (GB, GB // 2, 0), home=Path("/nowhere"))
    monkeypatch.setattr(doctor, "System", lambda: tiny)
    assert main(["doctor", str(CHAT)]) == 1
    assert "at most 750 MB can be had" in capsys.readouterr().out


def test_a_source_that_is_no_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.yaml").write_text("models: {chat: {source: 'a/b/c'}}\n")
    assert main(["doctor", "--config", str(tmp_path / "node.yaml")]) == 1
    assert "x configuration" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "timed"), [((), True), (("--no-speed",), False)])
def test_a_running_node_is_timed(
    arguments: tuple[str, ...], timed: bool, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["status"] = {"version": "1", "status": "ready"}
    assert main(["doctor", str(CHAT), "--url", "http://far:1", *arguments]) == 0
    assert ("! speed          slow\n" in capsys.readouterr().out) == timed
    assert asked["urls"] == ["http://far:1"]


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("", "http://127.0.0.1:8000"),
        ("server: {host: 0.0.0.0, port: 81}", "http://127.0.0.1:81"),
        ("server: {host: '::'}", "http://[::1]:8000"),
    ],
)
def test_the_node_is_looked_for_where_the_configuration_says(
    server: str, url: str, asked: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "node.yaml").write_text(f"{server}\nmodels: {{chat: {{source: {CHAT}}}}}\n")
    main(["doctor", "--config", str(tmp_path / "node.yaml")])
    assert asked["urls"] == [url]


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (ok("disk", "full of room"), "  disk           full of room"),
        (warning("disk", "nearly full", "tidy"), "! disk           nearly full\n                 -> tidy"),
        (problem("disk", "full", "tidy"), "x disk           full\n                 -> tidy"),
    ],
)
def test_lines(finding: Finding, text: str) -> None:
    assert doctor.line(finding) == text
