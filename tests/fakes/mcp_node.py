"""A node with MCP servers `weather` and `clock`, and a model that calls `get_weather` once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway.api.node import Node
from gateway.mcp.servers import ToolServers
from gateway.routing.registry import ModelEntry, Registry
from shared.config import NodeConfig
from shared.messages import Accepted, ChoiceFinished, Finished, TextDelta, ToolCallDelta, Usage
from tests.fakes.dispatcher import Item, Script, make_node
from tests.fakes.tool_servers import CLOCK, WEATHER, FakeConnections

MCP: dict[str, Any] = {
    "weather": {"url": "http://weather.example/mcp"},
    "clock": {"command": ["clock"]},
}


def calls_once(work: Any) -> list[Item]:
    rid = work.request
    if any(message.role == "tool" for message in work.prompt.messages):
        said: list[Item] = [TextDelta(rid, 0, "Sunny."), ChoiceFinished(rid, 0, "stop")]
    else:
        said = [
            TextDelta(rid, 0, "Let me see."),
            ToolCallDelta(rid, 0, 0, "call_0", "get_weather"),
            ToolCallDelta(rid, 0, 0, arguments='{"city": "Paris"}'),
            ChoiceFinished(rid, 0, "tool_calls"),
        ]
    return [Accepted(rid, 7, 4), *said, Finished(rid, Usage(7, 4, 3, 1))]


@asynccontextmanager
async def mcp_node(
    script: Script = calls_once, connections: FakeConnections | None = None, model: tuple[str, ...] = ()
) -> AsyncIterator[Node]:
    """`model` are the servers that the model's YAML names."""
    plain = make_node(script)
    config = NodeConfig.model_validate(plain.config.model_dump() | {"mcp": MCP})
    entries = [
        ModelEntry(name, one.model_copy(update={"mcp": model}), kind=one.kind, context=4096)
        for name, one in config.models.items()
    ]
    servers = ToolServers(config.mcp, connections or FakeConnections(tools=[WEATHER, CLOCK], answering=True))
    servers.start()
    try:
        yield replace(plain, config=config, registry=Registry(entries), mcp=servers)
    finally:
        await servers.stop()
