"""A real node in a process of its own, for tests that talk to it over HTTP as users do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

DEMO = Path(__file__).parents[2] / "configs" / "demo"
DEMO_CHAT = str(DEMO / "demo-chat")
PATIENCE = 120.0  # seconds; how long a slow machine may take, never how fast we are


@dataclass(frozen=True)
class Node:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path  # the only folder for temporary files that the node knows
    state: Path  # its state directory

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/v1/status").json()
        return answer

    def worker(self, name: str = "demo-chat") -> dict[str, Any]:
        return next(worker for worker in self.status()["workers"] if worker["name"] == name)

    def pids(self) -> dict[str, int]:
        return {worker["name"]: worker["pid"] for worker in self.status()["workers"]}

    def post(self, path: str, **request: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=PATIENCE, **request)

    def chat(self, **body: Any) -> httpx.Response:
        body = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello!"}], **body}
        return httpx.post(self.url + "/v1/chat/completions", json=body, timeout=PATIENCE)


def until(condition: Callable[[], Any]) -> Any:
    """Polls what another process does; returns the first true answer, fails when none comes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(log: Path, *arguments: str, ready: bool = True, state: str | None = None) -> Iterator[Node]:
    """`mlx-gateway serve ARGUMENTS` on a free port; `ready`: wait until its models are; `state`: one that stays."""
    port = free_port()
    command = [sys.executable, "-m", "gateway", "serve", *arguments, "--port", str(port)]
    with (
        log.open("wb") as output,
        tempfile.TemporaryDirectory(prefix="gw-") as temporary,
        tempfile.TemporaryDirectory(prefix="gw-state-") as fresh,
    ):
        state = state or fresh
        environment = {**os.environ, "TMPDIR": temporary, "MLX_GATEWAY_STATE_DIR": state}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        node = Node(f"http://127.0.0.1:{port}", process, log, Path(temporary), Path(state))
        try:
            until(lambda: _answers(node, "/health/ready" if ready else "/health"))
            yield node
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _answers(node: Node, path: str) -> bool:
    if node.process.poll() is not None:
        raise AssertionError(f"the node ended with {node.process.returncode}:\n{node.log.read_text()}")
    try:
        return node.get(path).status_code == 200
    except httpx.TransportError:
        return False
