"""A new configuration for a running node: models come and go, nothing is lost; a mistake changes nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.tenancy.keyfile import digest
from tests.integration.node import DEMO_CHAT, PATIENCE, Node, serve, until


def written(file: Path, *names: str, extra: str = "") -> None:
    models = "".join(f"  {name}: {{source: {DEMO_CHAT}{extra}}}\n" for name in names)
    file.write_text(f"models:\n{models}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written(tmp_path / "node.yaml", "one")
    return tmp_path / "node.yaml"


@pytest.fixture
def node(tmp_path: Path, file: Path) -> Iterator[Node]:
    with serve(tmp_path / "log", "--config", str(file)) as found:
        yield found


def hosted(node: Node, **headers: str) -> list[str]:
    listed: dict[str, Any] = httpx.get(f"{node.url}/v1/models", headers=headers, timeout=PATIENCE).json()
    return [model["id"] for model in listed.get("data", [])]


def test_models_come_and_go_and_nothing_is_lost(node: Node, file: Path) -> None:
    pid = node.pids()["one"]
    written(file, "one", "two")
    until(lambda: hosted(node) == ["one", "two"])
    assert node.chat(model="two", max_tokens=3).status_code == 200
    assert node.pids()["one"] == pid  # nobody touched it
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(node.chat, model="two", max_tokens=400, ignore_eos=True) for _ in range(8)]
        until(lambda: sum(node.status()["requests"].values()) == 8)
        written(file, "one")
        node.process.send_signal(signal.SIGHUP)
        assert [answer.result().status_code for answer in running] == [200] * 8
    until(lambda: hosted(node) == ["one"])
    assert node.chat(model="two").status_code == 404


def test_a_changed_model_is_drained_and_replaced(node: Node, file: Path) -> None:
    pid = node.pids()["one"]
    written(file, "one", extra=", context: 64")
    until(lambda: node.pids()["one"] not in (pid, None) and node.worker("one")["state"] == "ready")
    assert node.worker("one")["context"] == 64


def test_a_mistake_changes_nothing_and_says_why(node: Node, file: Path) -> None:
    before = node.pids()
    file.write_text("models:\n  one: {sauce: x}\n")
    answer = node.post("/admin/reload")
    assert answer.status_code == 400
    assert "models.one.sauce: unknown key; did you mean 'source'?" in answer.json()["error"]["message"]
    assert node.pids() == before
    assert node.chat(model="one", max_tokens=2).status_code == 200


def test_keys_are_swapped_in_place(node: Node, file: Path) -> None:
    keys = f"keys:\n  - {{name: ana, key_sha256: {digest('good')}, models: [two]}}\n"
    file.write_text(f"{keys}models:\n  one: {{source: {DEMO_CHAT}}}\n")
    until(lambda: node.get("/v1/models").status_code == 401)
    assert hosted(node, authorization="Bearer good") == []
