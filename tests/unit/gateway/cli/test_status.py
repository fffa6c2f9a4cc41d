"""gateway/cli/status and node_status: reading a node, and showing it."""

import io
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from rich.console import Console
from rich.live import Live

import gateway.cli.status as status
from gateway.cli.main import main
from gateway.cli.node_status import NodeUnreachable, fetch, worker_lines
from gateway.cli.status import bar, render

READY = {
    "name": "chat",
    "kind": "llm",
    "state": "ready",
    "stage": None,
    "fraction": None,
    "last_error": None,
    "open_requests": 3,
    "max_inflight": 40,
    "queued": 2,
    "tokens_per_second": 81.25,
    "stats": {"active_bytes": 5 * 10**9},
    "memory_budget": 10**10,
    "restarts": 1,
}
LOADING = {"name": "big", "state": "loading", "stage": "download", "detail": "2 of 4 GB", "fraction": 0.5}
FAILED = {"name": "odd", "state": "quarantined", "last_error": "no [weights]"}
NODE: dict[str, Any] = {
    "status": "loading",
    "uptime": 3700.5,
    "requests": {"running": 3, "waiting": 2},
    "tokens_per_second": 81.25,
    "workers": [READY, LOADING, FAILED],
}


def shown(node: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render("http://node", node))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A node that answers; the URLs that were asked."""
    asked: list[str] = []

    def get(method: str, url: str, **_: object) -> httpx.Response:
        asked.append(url)
        return httpx.Response(200, json=NODE, request=httpx.Request(method, url))

    monkeypatch.setattr(httpx, "request", get)
    monkeypatch.delenv("MLX_GATEWAY_URL", raising=False)
    return asked


# ---------------------------------------------------------------- reading
@pytest.mark.parametrize("url", ["http://node:1", "http://node:1/", "http://node:1/v1", "http://node:1/v1/"])
def test_the_url_may_be_the_clients_base_url(node: list[str], url: str) -> None:
    assert fetch(url) == NODE
    assert node == ["http://node:1/v1/status"]


@pytest.mark.parametrize(
    "answer", [httpx.Response(404), httpx.Response(200, text="hello"), httpx.Response(200, json=[])]
)
def test_something_else_answers(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response) -> None:
    answer.request = httpx.Request("GET", "http://node")
    monkeypatch.setattr(httpx, "request", lambda *_, **__: answer)
    with pytest.raises(NodeUnreachable, match="no answer from http://node"):
        fetch("http://node")


def test_nothing_answers() -> None:
    with pytest.raises(NodeUnreachable, match="no answer from nonsense"):
        fetch("nonsense")


def test_a_worker_in_words() -> None:
    ready, loading, failed = worker_lines(NODE)
    assert (ready.words, ready.settled, ready.memory, ready.budget) == ("ready", True, 5 * 10**9, 10**10)
    assert (loading.words, loading.settled, loading.fraction) == ("download 2 of 4 GB", False, 0.5)
    assert (failed.words, failed.settled) == ("quarantined: no [weights]", True)
    assert worker_lines({}) == []


# ---------------------------------------------------------------- showing
def test_the_table() -> None:
    text = shown(NODE)
    assert "http://node  loading  up 1 h 1 min  3 running  2 waiting  81.2 tok/s" in text
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "chat llm ready 3/40 2 81.2 █████░░░░░ 5 GB of 10 GB 1" in rows
    assert "big ? download 2 of 4 GB 50% 0/0 0 0.0 ░░░░░░░░░░ 0 B of 0 B 0" in rows
    assert any("quarantined: no [weights]" in row for row in rows)


@pytest.mark.parametrize(("pressure", "words"), [("tight", True), ("critical", True), ("normal", False)])
def test_a_machine_short_of_memory_is_shown(pressure: str, words: bool) -> None:
    text = " ".join(shown(NODE | {"memory": {"pressure": pressure}}).split())
    assert (f"memory is {pressure}" in text) == words


def test_an_empty_answer_is_shown_too() -> None:
    assert "0 running" in shown({})


@pytest.mark.parametrize(
    ("part", "whole", "filled"), [(0, 10, 0), (1, 1000, 1), (5, 10, 5), (10, 10, 10), (99, 10, 10), (1, 0, 0)]
)
def test_a_bar(part: int, whole: int, filled: int) -> None:
    assert bar(part, whole) == "█" * filled + "░" * (10 - filled)


# ---------------------------------------------------------------- the command
def test_json(node: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == NODE
    assert node == ["http://127.0.0.1:8000/v1/status"]


def test_url_by_flag_and_by_environment(node: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_GATEWAY_URL", "http://from-environment")
    main(["status", "--json"])
    main(["status", "--json", "--url", "http://from-flag"])
    assert node == ["http://from-environment/v1/status", "http://from-flag/v1/status"]


def test_a_pipe_gets_it_once(node: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert "chat" in capsys.readouterr().out
    assert len(node) == 1


def test_a_terminal_gets_it_live_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [NODE, NODE, NodeUnreachable("gone"), KeyboardInterrupt()]
    updates: list[object] = []

    def fetched(_: str, key: str | None) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(status, "fetch", fetched)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(Live, "update", lambda _, what, refresh: updates.append(what))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["status"]) == 0
    assert len(updates) == 2
    assert updates[1] == "gone"


def test_no_node_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr(httpx, "request", refuse)
    assert main(["status", "--url", "http://node"]) == 1
    assert capsys.readouterr() == ("", "mlx-gateway: no answer from http://node: connection refused\n")


def test_it_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SimpleNamespace(trust_env=None)

    def get(method: str, url: str, **options: Any) -> httpx.Response:
        seen.trust_env = options["trust_env"]
        return httpx.Response(200, json={}, request=httpx.Request(method, url))

    monkeypatch.setattr(httpx, "request", get)
    fetch("http://node")
    assert seen.trust_env is False
