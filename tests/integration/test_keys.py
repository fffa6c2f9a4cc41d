"""Keys on a real node: made, used and revoked while it runs, by a command; nothing secret is written anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from tests.integration.node import DEMO_CHAT, PATIENCE, Node, serve, until

PROMPT = "marker-of-a-prompt-8c1f"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("keys")
    with serve(folder / "log", DEMO_CHAT, "--log-level", "debug") as found:
        yield found


def command(node: Node, *words: str) -> str:
    variables = {**os.environ, "MLX_GATEWAY_STATE_DIR": str(node.state), "MLX_GATEWAY_URL": node.url}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words], capture_output=True, text=True, env=variables, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def client(node: Node, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{node.url}/v1", api_key=key, max_retries=0)


def test_a_team_comes_and_goes_while_the_node_runs(node: Node) -> None:
    assert node.chat(max_tokens=2).status_code == 200  # nobody has a key yet
    ana = command(node, "keys", "create", "ana")
    until(lambda: node.chat(max_tokens=2).status_code == 401)
    ben = command(node, "keys", "create", "ben", "--models", "other-*")
    until(lambda: httpx.get(f"{node.url}/v1/models", headers={"x-api-key": ben}).json().get("data") == [])
    with client(node, ana) as official:
        messages = [{"role": "user", "content": PROMPT}]
        stream = official.chat.completions.create(
            model="demo-chat",
            messages=messages,
            stream=True,
            max_tokens=4000,
            extra_body={"ignore_eos": True},  # type: ignore[call-overload]
        )
        next(iter(stream))
        command(node, "keys", "revoke", "ana")
        with pytest.raises(openai.APIError, match="revoked"):
            for _ in stream:
                pass
        with pytest.raises(openai.AuthenticationError):
            official.models.list()
    with client(node, ben) as official, pytest.raises(openai.NotFoundError):
        official.chat.completions.create(model="demo-chat", messages=messages)  # type: ignore[call-overload]
    assert "demo-chat" in command(node, "status", "--once")  # the node's own user needs no key
    assert "ana" in command(node, "usage")


def test_nothing_secret_is_written_anywhere(node: Node) -> None:
    key = command(node, "keys", "create", "eva", "--role", "admin")
    headers = {"authorization": f"Bearer {key}"}
    until(lambda: httpx.get(f"{node.url}/v1/models", headers=headers).status_code == 200)
    bodies = [
        {"model": "demo-chat", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 3},
        {"model": PROMPT, "messages": "wrong", "temperature": 99},
        {"model": "demo-chat", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": PROMPT}]}]},
    ]
    answers = [httpx.post(f"{node.url}/v1/chat/completions", json=body, headers=headers) for body in bodies]
    answers.append(httpx.get(f"{node.url}/v1/models", headers={"authorization": "Bearer marker-of-a-wrong-key"}))
    sound = {"file": (f"{PROMPT}.wav", PROMPT.encode() * 100)}
    answers.append(
        httpx.post(f"{node.url}/v1/audio/transcriptions", data={"model": "demo-chat"}, files=sound, headers=headers)
    )
    assert [answer.status_code for answer in answers] == [200, 400, 400, 401, 400]
    metrics = httpx.get(f"{node.url}/metrics", headers=headers).text
    status = httpx.get(f"{node.url}/v1/status", headers=headers).text
    processes = [psutil.Process(node.process.pid), *psutil.Process(node.process.pid).children(recursive=True)]
    arguments = " ".join(" ".join(process.cmdline()) for process in processes)
    files = [path for path in Path(node.state).iterdir() if path.is_file() and path.name != "local.key"]
    stored = b"".join(path.read_bytes() for path in files).decode("utf-8", "replace")
    for place in (node.log.read_text(), metrics, status, arguments, stored):
        for secret in (key, PROMPT, "marker-of-a-wrong-key"):
            assert secret not in place
    assert all(key not in answer.text for answer in answers)
