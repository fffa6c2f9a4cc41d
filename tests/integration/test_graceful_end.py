"""SIGTERM, once and twice, to a node that works."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing as closing_file
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from anthropic import Anthropic, InternalServerError

from tests.integration.node import DEMO_CHAT, PATIENCE, Node, serve, until

HELLO = [{"role": "user", "content": "Hello!"}]
LONG = {"model": "demo-chat", "messages": HELLO, "max_tokens": 700, "ignore_eos": True}
ENDLESS = LONG | {"max_tokens": 30_000}


@contextmanager
def streaming(client: httpx.Client, body: dict[str, Any]) -> Iterator[Iterator[dict[str, Any] | str]]:
    """The events of a stream that has shown something: its JSON, or `[DONE]`."""
    with client.stream("POST", "/v1/chat/completions", json=body | {"stream": True}) as response:
        lines = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
        events = (line if line == "[DONE]" else json.loads(line) for line in lines)
        first = next(event for event in events if isinstance(event, dict) and _says(event))
        assert "error" not in first
        yield events


def _says(event: dict[str, Any]) -> bool:
    """The first chunk only names the role, before a token was made."""
    deltas = [choice["delta"] for choice in event.get("choices", ())]
    return "error" in event or any(delta.get("content") or delta.get("reasoning") for delta in deltas)


@contextmanager
def graced(grace: str, folder: Path) -> Iterator[Node]:
    config = folder / "node.yaml"
    config.write_text(f"node: {{stop_grace: {grace}}}\nmodels:\n  demo-chat: {{source: {DEMO_CHAT}}}\n")
    with serve(folder / "log", "--config", str(config)) as node:
        yield node


def client_of(node: Node) -> httpx.Client:
    return httpx.Client(base_url=node.url, timeout=PATIENCE)


def closing(node: Node, client: httpx.Client) -> Callable[[], bool]:
    return lambda: client.get("/health/ready").json()["status"] == "stopping"


def left_behind(node: Node, workers: list[psutil.Process]) -> list[object]:
    """Processes, and temporary files, sockets among them."""
    return [*psutil.wait_procs(workers, timeout=30)[1], *node.temporary.iterdir()]


def workers_of(node: Node) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in node.pids().values()]


def test_what_runs_ends_whole_while_newcomers_are_refused(tmp_path: Path) -> None:
    with graced("1h", tmp_path) as node:
        workers = workers_of(node)
        with client_of(node) as idle, client_of(node) as busy, streaming(busy, LONG) as events:
            assert idle.get("/v1/models").status_code == 200
            node.process.send_signal(signal.SIGTERM)
            until(closing(node, idle))
            check_refusals(node, idle)
            *_, finish, done = events
            assert (finish["choices"][0]["finish_reason"], done) == ("length", "[DONE]")
        assert node.process.wait(PATIENCE) == 0
        assert not left_behind(node, workers)


def check_refusals(node: Node, idle: httpx.Client) -> None:
    """On a connection that is open already and on new ones, whatever the size of the request, in both dialects."""
    for refused in (
        idle.post("/v1/chat/completions", json=LONG),
        node.chat(),
        node.post("/v1/audio/transcriptions", content=b"x" * 20_000_000),
        idle.get("/v1/models"),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")
        assert int(refused.headers["retry-after"]) >= 1
    assert idle.get("/health").status_code == 200
    with Anthropic(base_url=node.url, api_key="none", max_retries=0) as claude:
        with pytest.raises(InternalServerError) as caught:
            claude.messages.create(model="demo-chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=1)
        assert caught.value.body["error"]["type"] == "overloaded_error"
        assert int(caught.value.response.headers["retry-after"]) >= 1


def test_what_outlasts_the_grace_ends_with_a_typed_error(tmp_path: Path) -> None:
    with graced("500ms", tmp_path) as node:
        workers = workers_of(node)
        with client_of(node) as client, streaming(client, ENDLESS) as events:
            node.process.terminate()
            *_, last = events
            assert last["error"]["code"] == "shutting_down"
        assert node.process.wait(PATIENCE) == 0
        assert not left_behind(node, workers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals, tmp_path: Path) -> None:
    with graced("1h", tmp_path) as node:
        workers = workers_of(node)
        with client_of(node) as client, client_of(node) as probe, streaming(client, ENDLESS) as events:
            node.process.send_signal(number)
            until(closing(node, probe))
            node.process.send_signal(number)
            *_, last = events
            assert last["error"]["code"] == "shutting_down"
        assert node.process.wait(PATIENCE) == 128 + number
        with closing_file(sqlite3.connect(node.state / "usage.db")) as usage:
            [(outcome, tokens)] = usage.execute("SELECT outcome, completion_tokens FROM requests").fetchall()
        assert (outcome, tokens > 0) == ("shutting_down", True)
        assert not left_behind(node, workers)


def test_a_node_whose_models_still_load_ends_as_well(tmp_path: Path) -> None:
    with serve(tmp_path / "log", DEMO_CHAT, ready=False) as node:
        until(lambda: node.worker()["pid"])
        workers = workers_of(node)
        node.process.terminate()
        assert node.process.wait(PATIENCE) == 0
        assert not left_behind(node, workers)


def test_a_body_that_never_comes_does_not_hold_the_end_up(tmp_path: Path) -> None:
    with graced("200ms", tmp_path) as node:
        connection = HTTPConnection("127.0.0.1", int(node.url.rpartition(":")[2]), timeout=PATIENCE)
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("content-length", "1000")
        connection.endheaders(b'{"model":')
        assert node.get("/v1/models").status_code == 200  # the head is read before a newer one
        node.process.terminate()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (503, "shutting_down")
        assert node.process.wait(PATIENCE) == 0
        connection.close()
