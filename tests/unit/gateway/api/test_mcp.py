"""The endpoints, and MCP tools in chat and messages through the official clients, strict."""

from __future__ import annotations

import json
from typing import Any

import httpx
import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from gateway.api.node import Node
from gateway.mcp.events import ServerTool
from tests.fakes.clock import settle
from tests.fakes.dispatcher import make_app
from tests.fakes.mcp_node import mcp_node
from tests.fakes.tool_servers import CLOCK, WEATHER, FakeConnections

HI: list[Any] = [{"role": "user", "content": "Weather?"}]
NAMED: list[Any] = [{"type": "mcp", "server_label": "weather"}]
CALL = {
    "type": "mcp_call",
    "server_label": "weather",
    "name": "get_weather",
    "arguments": '{"city": "Paris"}',
    "output": "get_weather {'city': 'Paris'}",
    "error": None,
}


async def ask(node: Node, method: str, path: str, body: Any = None) -> httpx.Response:
    transport = httpx.ASGITransport(app=make_app(node))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, json=body)


def openai_of(node: Node) -> AsyncOpenAI:
    transport = httpx2.ASGITransport(app=make_app(node))
    return AsyncOpenAI(
        api_key="none",
        base_url="http://test/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
        _strict_response_validation=True,
    )


def anthropic_of(node: Node) -> AsyncAnthropic:
    transport = httpx2.ASGITransport(app=make_app(node))
    return AsyncAnthropic(
        api_key="none",
        base_url="http://test",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
        _strict_response_validation=True,
    )


# ------------------------------------------------------------------ endpoints
async def test_servers_and_their_state() -> None:
    connections = FakeConnections(OSError(111, "Connection refused"), tools=[CLOCK])
    async with mcp_node(connections=connections) as node:
        await settle()
        found = (await ask(node, "GET", "/v1/mcp/servers")).json()
        assert found["object"] == "list"
        assert found["data"] == [
            {
                "name": "weather",
                "transport": "http",
                "state": "backoff",
                "tools": 0,
                "error": "it can't be reached (Connection refused)",
            },
            {"name": "clock", "transport": "stdio", "state": "ready", "tools": 1, "error": None},
        ]


async def test_the_tools_of_all_servers() -> None:
    async with mcp_node() as node:
        await settle()
        found = (await ask(node, "GET", "/v1/mcp/tools")).json()["data"]
        assert [tool["name"] for tool in found] == ["weather__get_weather", "clock__now"]
        assert found[0] == {
            "name": "weather__get_weather",
            "server": "weather",
            "tool": "get_weather",
            "description": "The weather in a city.",
            "input_schema": {"type": "object"},
            "annotations": None,
        }


@pytest.mark.parametrize(
    "body",
    [
        {"server": "weather", "tool": "get_weather"},
        {"server": "weather", "tool_name": "weather__get_weather"},
        {"tool": "get_weather"},
        {"tool_name": "weather__get_weather"},
    ],
)
async def test_a_tool_is_executed(body: dict[str, Any]) -> None:
    async with mcp_node() as node:
        await settle()
        found = await ask(node, "POST", "/v1/mcp/execute", body | {"arguments": {"city": "Paris"}})
        assert found.json() == {
            "server": "weather",
            "tool": "get_weather",
            "content": [{"type": "text", "text": "get_weather {'city': 'Paris'}"}],
            "is_error": False,
        }


@pytest.mark.parametrize(
    ("body", "status", "param", "words"),
    [
        ({"server": "wether", "tool": "get_weather"}, 404, "server", "Did you mean `weather`?"),
        ({"server": "weather", "tool": "get_wether"}, 404, "tool", "Did you mean `get_weather`?"),
        ({"server": "weather"}, 400, "tool", "Missing required parameter: 'tool'"),
        ({"tool": "x", "arguments": []}, 400, "arguments", "arguments"),
        ({"tool": "x", "command": ["rm"], "server": "x" * 500}, 404, "server", "…"),
    ],
)
async def test_what_is_unknown_is_refused(body: dict[str, Any], status: int, param: str, words: str) -> None:
    async with mcp_node() as node:
        await settle()
        found = await ask(node, "POST", "/v1/mcp/execute", body)
        error = found.json()["error"]
        assert (found.status_code, error["param"]) == (status, param)
        assert words in error["message"]


async def test_a_name_of_two_servers_has_to_be_told() -> None:
    tools = [ServerTool("weather", "search"), ServerTool("clock", "search")]
    async with mcp_node(connections=FakeConnections(tools=tools, answering=True)) as node:
        await settle()
        found = await ask(node, "POST", "/v1/mcp/execute", {"tool": "search"})
        assert found.status_code == 404
        assert "`weather__search`, `clock__search`" in found.json()["error"]["message"]
        assert (await ask(node, "POST", "/v1/mcp/execute", {"tool": "clock__search"})).status_code == 200


async def test_a_server_that_is_not_there_is_a_502() -> None:
    async with mcp_node(connections=FakeConnections(OSError(111, "refused"), OSError(111, "refused"))) as node:
        await settle()
        found = await ask(node, "POST", "/v1/mcp/execute", {"server": "weather", "tool": "get_weather"})
        assert (found.status_code, found.json()["error"]["code"]) == (502, "tool_server_unavailable")


async def test_without_servers_there_is_nothing() -> None:
    from tests.fakes.dispatcher import make_node

    node = make_node()
    assert (await ask(node, "GET", "/v1/mcp/servers")).json()["data"] == []
    assert (await ask(node, "POST", "/v1/mcp/execute", {"tool": "x"})).status_code == 404


# ------------------------------------------------------------------ chat
async def test_chat_shows_the_call_in_its_message() -> None:
    async with mcp_node() as node:
        answer = await openai_of(node).chat.completions.create(model="chat", messages=HI, tools=NAMED)
        choice = answer.choices[0]
        assert (choice.finish_reason, choice.message.content) == ("stop", "Let me see.\n\nSunny.")
        assert choice.message.tool_calls is None
        (call,) = choice.message.model_extra["mcp_calls"]  # type: ignore[index]
        assert call.pop("id").startswith("mcp_")
        assert call == CALL
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (14, 6)


async def test_chat_streams_the_call() -> None:
    async with mcp_node() as node:
        stream = await openai_of(node).chat.completions.create(model="chat", messages=HI, tools=NAMED, stream=True)
        deltas = [chunk.choices[0].delta async for chunk in stream]
        assert "".join(delta.content or "" for delta in deltas) == "Let me see.\n\nSunny."
        call: dict[str, Any] = {}
        for delta in deltas:
            for piece in (delta.model_extra or {}).get("mcp_calls", ()):
                assert piece["index"] == 0
                arguments = call.get("arguments", "") + piece.get("arguments", "")
                call |= piece | {"arguments": arguments}
        del call["id"], call["index"]
        assert call == CALL


async def test_a_models_servers_are_there_without_being_named() -> None:
    async with mcp_node(model=("weather",)) as node:
        await settle()
        answer = await openai_of(node).chat.completions.create(model="chat", messages=HI)
        assert answer.choices[0].message.content == "Let me see.\n\nSunny."
        work = node.dispatcher.opened[0][1]  # type: ignore[attr-defined]
        assert [tool.name for tool in work.prompt.tools] == ["get_weather"]


async def test_no_tools_means_none_of_the_servers_either() -> None:
    async with mcp_node(model=("weather",)) as node:
        await settle()
        await ask(node, "POST", "/v1/chat/completions", {"model": "chat", "messages": HI, "tool_choice": "none"})
        assert node.dispatcher.work.prompt.tools == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "mcp", "server_label": "wether"}]}, "tools[0].server_label"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].server_label"),
        ({"tools": [NAMED[0] | {"server_url": "http://evil.example"}]}, "tools[0].server_url"),
        ({"tools": [NAMED[0] | {"headers": {"a": "b"}}]}, "tools[0].headers"),
        ({"tools": [NAMED[0] | {"authorization": "b"}]}, "tools[0].authorization"),
        ({"tools": [NAMED[0] | {"require_approval": "always"}]}, "tools[0].require_approval"),
        ({"tools": NAMED * 2}, "tools[0].server_label"),
        ({"tools": NAMED, "n": 2}, "n"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_chat_refuses_by_name(body: dict[str, Any], param: str, stream: bool) -> None:
    async with mcp_node() as node:
        body = {"model": "chat", "messages": HI, "stream": stream} | body
        found = await ask(node, "POST", "/v1/chat/completions", body)
        assert (found.status_code, found.json()["error"]["param"]) == (400, param)


async def test_a_chat_may_force_a_servers_tool() -> None:
    async with mcp_node() as node:
        url = NAMED[0] | {"server_url": "http://weather.example/mcp", "require_approval": "never"}
        body = {"model": "chat", "messages": HI, "tools": [url], "tool_choice": "required"}
        assert (await ask(node, "POST", "/v1/chat/completions", body)).status_code == 200
        assert [one[1].tool_choice for one in node.dispatcher.opened] == ["required", "auto"]  # type: ignore[attr-defined]


# ------------------------------------------------------------------ messages
SERVERS: list[Any] = [{"type": "url", "name": "weather", "url": "http://weather.example/mcp"}]
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "weather"}


async def test_messages_have_blocks_for_the_call() -> None:
    async with mcp_node() as node:
        answer = await anthropic_of(node).beta.messages.create(
            model="chat",
            max_tokens=30,
            messages=HI,
            mcp_servers=SERVERS,
            tools=[TOOLSET],  # type: ignore[list-item]
            betas=["mcp-client-2025-11-20"],
        )
        assert [block.type for block in answer.content] == ["text", "mcp_tool_use", "mcp_tool_result", "text"]
        use, result = answer.content[1], answer.content[2]
        assert use.type == "mcp_tool_use"
        assert (use.name, use.server_name, use.input) == ("get_weather", "weather", {"city": "Paris"})
        assert result.type == "mcp_tool_result"
        assert (result.tool_use_id, result.is_error) == (use.id, False)
        assert result.content[0].text == "get_weather {'city': 'Paris'}"  # type: ignore[union-attr]
        assert answer.stop_reason == "end_turn"
        assert answer.usage.output_tokens == 6


async def test_messages_stream_the_same() -> None:
    async with mcp_node() as node:
        request: dict[str, Any] = {"model": "chat", "max_tokens": 30, "messages": HI, "mcp_servers": SERVERS}
        whole = await anthropic_of(node).beta.messages.create(**request)
        async with anthropic_of(node).beta.messages.stream(**request) as stream:
            streamed = await stream.get_final_message()
    assert [block.type for block in streamed.content] == [block.type for block in whole.content]
    for one, other in zip(streamed.content, whole.content, strict=True):
        ids = {"id", "tool_use_id", "parsed_output"}
        assert one.model_dump(exclude=ids) == other.model_dump(exclude=ids)
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens


async def test_the_blocks_come_back_as_history() -> None:
    async with mcp_node() as node:
        client = anthropic_of(node)
        answer = await client.beta.messages.create(model="chat", max_tokens=30, messages=HI, mcp_servers=SERVERS)
        said = [block.model_dump(exclude_none=True) for block in answer.content]
        messages = [*HI, {"role": "assistant", "content": said}, {"role": "user", "content": "And now?"}]
        await client.beta.messages.create(model="chat", max_tokens=30, messages=messages, mcp_servers=SERVERS)
        prompt = node.dispatcher.work.prompt  # type: ignore[attr-defined]
        roles = [message.role for message in prompt.messages]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]
        call = prompt.messages[1].tool_calls[0]
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
        assert prompt.messages[2].tool_call_id == call.id


async def test_too_many_turns_pause() -> None:
    from tests.fakes.mcp_node import calls_once

    def calls_ever(work: Any) -> Any:
        return calls_once(type(work)(work.request, type(work.prompt)()))

    async with mcp_node(calls_ever) as node:
        answer = await anthropic_of(node).beta.messages.create(
            model="chat", max_tokens=3000, messages=HI, mcp_servers=SERVERS
        )
        assert answer.stop_reason == "pause_turn"
        assert len(node.dispatcher.opened) == 16  # type: ignore[attr-defined]
        last = answer.content[-1]
        assert last.type == "mcp_tool_result"
        assert last.is_error


@pytest.mark.parametrize(
    ("toolset", "names"),
    [
        ({}, ["get_weather", "set_weather"]),
        ({"configs": {"set_weather": {"enabled": False}}}, ["get_weather"]),
        ({"default_config": {"enabled": False}, "configs": {"set_weather": {"enabled": True}}}, ["set_weather"]),
    ],
)
async def test_a_toolset_chooses(toolset: dict[str, Any], names: list[str]) -> None:
    tools = [WEATHER, ServerTool("weather", "set_weather")]
    async with mcp_node(connections=FakeConnections(tools=tools, answering=True)) as node:
        body = {"model": "chat", "max_tokens": 9, "messages": HI, "mcp_servers": SERVERS, "tools": [TOOLSET | toolset]}
        assert (await ask(node, "POST", "/v1/messages", body)).status_code == 200
        assert [tool.name for tool in node.dispatcher.opened[0][1].prompt.tools] == names  # type: ignore[attr-defined]


async def test_the_first_beta_chose_in_the_server() -> None:
    tools = [WEATHER, ServerTool("weather", "set_weather")]
    async with mcp_node(connections=FakeConnections(tools=tools, answering=True)) as node:
        server = SERVERS[0] | {"tool_configuration": {"enabled": True, "allowed_tools": ["set_weather"]}}
        body = {"model": "chat", "max_tokens": 9, "messages": HI, "mcp_servers": [server]}
        assert (await ask(node, "POST", "/v1/messages", body)).status_code == 200
        assert [tool.name for tool in node.dispatcher.opened[0][1].prompt.tools] == ["set_weather"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"mcp_servers": [{"name": "wether"}]}, "mcp_servers.0.name: "),
        ({"mcp_servers": [{"url": "http://x"}]}, "mcp_servers.0.name: Field required"),
        ({"mcp_servers": [SERVERS[0] | {"url": "http://evil.example"}]}, "mcp_servers.0.url: "),
        ({"mcp_servers": [{"name": "clock", "url": "http://clock"}]}, "mcp_servers.0.url: "),
        ({"mcp_servers": [SERVERS[0] | {"authorization_token": "x"}]}, "mcp_servers.0.authorization_token: "),
        ({"mcp_servers": SERVERS * 2}, "mcp_servers.1.name: "),
        ({"mcp_servers": "weather"}, "mcp_servers: "),
        ({"mcp_servers": ["weather"]}, "mcp_servers.0.name: "),
        ({"tools": [TOOLSET]}, "tools.0.mcp_server_name: "),
        ({"mcp_servers": SERVERS, "tools": [TOOLSET, TOOLSET]}, "tools.1.mcp_server_name: "),
    ],
)
async def test_messages_refuse_by_name(body: dict[str, Any], words: str) -> None:
    async with mcp_node() as node:
        found = await ask(node, "POST", "/v1/messages", {"model": "chat", "max_tokens": 9, "messages": HI} | body)
        assert found.status_code == 400
        assert found.json()["error"]["message"].startswith(words)
