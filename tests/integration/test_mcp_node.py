"""A node with an MCP server: demo-chat asks it for the weather, through each dialect's official client."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.integration.node import DEMO_CHAT, Node, serve, until

WEATHER = Path(__file__).parents[1] / "fakes" / "weather_server.py"
QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
ANSWER = "It is 18 degrees and sunny in Paris."
REPORT = '{"temperature": 18, "sky": "sunny"}'


@pytest.fixture(scope="module")
def mcp_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("mcp-node")
    config = {
        "models": {
            "demo-chat": {"source": DEMO_CHAT},
            "forecaster": {"source": DEMO_CHAT, "mcp": ["weather", "deaf"]},
        },
        "mcp": {
            "weather": {"command": [sys.executable, str(WEATHER)]},
            "deaf": {"command": [sys.executable, "-c", "import time; time.sleep(1000)"]},
        },
    }
    (folder / "node.yaml").write_text(json.dumps(config))
    with serve(folder / "log", "--config", str(folder / "node.yaml")) as found:
        until(lambda: _server(found, "weather")["state"] == "ready")
        yield found
        children = psutil.Process(found.process.pid).children(recursive=True)
        found.process.send_signal(signal.SIGTERM)
        until(lambda: found.process.poll() is not None)
        until(lambda: not any(child.is_running() for child in children))


@pytest.fixture(scope="module")
def openai(mcp_node: Node) -> Iterator[OpenAI]:
    with OpenAI(base_url=mcp_node.url + "/v1", api_key="none", max_retries=0, _strict_response_validation=True) as one:
        yield one


@pytest.fixture(scope="module")
def anthropic(mcp_node: Node) -> Iterator[Anthropic]:
    with Anthropic(base_url=mcp_node.url, api_key="none", max_retries=0, _strict_response_validation=True) as one:
        yield one


def _server(node: Node, name: str) -> dict[str, Any]:
    servers: list[dict[str, Any]] = node.get("/v1/mcp/servers").json()["data"]
    return next(server for server in servers if server["name"] == name)


def _program(node: Node) -> psutil.Process:
    processes = psutil.Process(node.process.pid).children(recursive=True)
    found = [one for one in processes if str(WEATHER) in one.cmdline() and "guard.py" not in " ".join(one.cmdline())]
    assert len(found) == 1
    return found[0]


def test_a_deaf_server_holds_nothing_up(mcp_node: Node) -> None:
    assert _server(mcp_node, "deaf")["tools"] == 0
    assert mcp_node.get("/health/ready").status_code == 200


def test_a_tool_is_executed(mcp_node: Node) -> None:
    body = {"server": "weather", "tool": "get_weather", "arguments": {"city": "Paris"}}
    assert mcp_node.post("/v1/mcp/execute", json=body).json()["content"] == [{"type": "text", "text": REPORT}]


def test_chat(openai: OpenAI) -> None:
    tool: Any = {"type": "mcp", "server_label": "weather"}
    answer = openai.chat.completions.create(model="demo-chat", messages=QUESTION, tools=[tool], temperature=0)
    message = answer.choices[0].message
    assert (message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    (call,) = message.model_extra["mcp_calls"]  # type: ignore[index]
    assert (call["name"], json.loads(call["arguments"]), call["output"]) == ("get_weather", {"city": "Paris"}, REPORT)


def test_chat_streamed_with_the_models_own_server(openai: OpenAI) -> None:
    stream = openai.chat.completions.create(model="forecaster", messages=QUESTION, temperature=0, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    pieces = [piece for delta in deltas for piece in (delta.model_extra or {}).get("mcp_calls", ())]
    assert pieces[-1]["output"] == REPORT


def test_messages(anthropic: Anthropic) -> None:
    servers: list[Any] = [{"type": "url", "name": "weather", "url": ""}]
    with anthropic.beta.messages.stream(
        model="demo-chat", max_tokens=200, messages=QUESTION, mcp_servers=servers, betas=["mcp-client-2025-11-20"]
    ) as stream:
        answer = stream.get_final_message()
    assert [block.type for block in answer.content] == ["mcp_tool_use", "mcp_tool_result", "text"]
    assert answer.content[2].text == ANSWER  # type: ignore[union-attr]
    assert answer.stop_reason == "end_turn"


def test_responses(openai: OpenAI) -> None:
    tool: Any = {"type": "mcp", "server_label": "weather", "require_approval": "never"}
    answer = openai.responses.create(
        model="demo-chat", input=QUESTION, tools=[tool], temperature=0, reasoning={"effort": "none"}
    )
    assert [item.type for item in answer.output] == ["mcp_list_tools", "mcp_call", "message"]
    assert answer.output_text == ANSWER


def test_a_server_that_was_killed_comes_back(mcp_node: Node, openai: OpenAI) -> None:
    program = _program(mcp_node)
    os.kill(program.pid, signal.SIGKILL)
    until(lambda: _server(mcp_node, "weather")["state"] == "backoff")
    until(lambda: _server(mcp_node, "weather")["state"] == "ready")
    answer = openai.chat.completions.create(model="forecaster", messages=QUESTION, temperature=0)
    assert answer.choices[0].message.content == ANSWER
