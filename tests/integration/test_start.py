"""Ways to start a node, and what it refuses when it can't serve: with the official client."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.integration.node import Node, serve, until

CHAT = Path(__file__).parents[2] / "configs" / "demo" / "demo-chat"
HELLO = [{"role": "user", "content": "Hello!"}]
ENDLESS = {"max_tokens": 30_000, "extra_body": {"ignore_eos": True}}


def client_of(node: Node) -> OpenAI:
    return OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0)


def test_a_folder_on_the_command_line_as_vllm_mlx_users_write_it(tmp_path: Path) -> None:
    arguments = (str(CHAT), "--continuous-batching", "--served-model-name", "mine")
    with serve(tmp_path / "log", *arguments) as node, client_of(node) as client:
        for name in ("mine", "default", str(CHAT)):
            answer = client.chat.completions.create(model=name, messages=HELLO)
            assert answer.choices[0].message.content == "Hello! How can I help you today?"
            assert answer.model == "mine"


def test_a_full_queue_is_a_429_that_says_when_to_come_back(tmp_path: Path) -> None:
    config = tmp_path / "node.yaml"
    config.write_text(f"server: {{queue: 0}}\nmodels:\n  chat: {{source: {CHAT}, max_batch: 1}}\n")
    with serve(tmp_path / "log", "--config", str(config)) as node, client_of(node) as client:
        room = node.worker("chat")["max_inflight"]
        streams = [
            client.chat.completions.create(model="chat", messages=HELLO, stream=True, **ENDLESS) for _ in range(room)
        ]
        until(lambda: node.worker("chat")["open_requests"] == room)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="chat", messages=HELLO)
        assert int(caught.value.response.headers["retry-after"]) >= 1
        for stream in streams:
            stream.close()
        until(lambda: node.worker("chat")["open_requests"] == 0)
        assert client.chat.completions.create(model="chat", messages=HELLO, max_tokens=1).choices


def test_a_model_that_cannot_be_had_is_a_503_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "qwen3"}')
    config = tmp_path / "node.yaml"
    config.write_text(f"models:\n  chat: {{source: {CHAT}}}\n  broken: {{source: ./broken, kind: llm}}\n")
    with serve(tmp_path / "log", "--config", str(config), ready=False) as node, client_of(node) as client:
        until(lambda: node.worker("broken")["state"] == "quarantined")
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="broken", messages=HELLO)
        assert caught.value.status_code == 503
        assert int(caught.value.response.headers["retry-after"]) >= 1
        assert node.get("/health").status_code == 200
        assert node.get("/health/ready").json()["models"]["broken"]["state"] == "quarantined"
        assert client.chat.completions.create(model="chat", messages=HELLO, max_tokens=1).choices
