"""What a key may not touch: tool servers that are not its own, responses that another key made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.api.node import Node
from gateway.tenancy.keyfile import digest
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from tests.fakes.asgi import Exchange
from tests.fakes.clock import settle
from tests.fakes.dispatcher import make_app, make_node
from tests.fakes.mcp_node import mcp_node

RING = KeyRing(
    [
        KeyConfig(name="ana", key_sha256=digest("ana"), mcp=("weather",)),
        KeyConfig(name="ben", key_sha256=digest("ben"), mcp=()),
    ]
)
HI = [{"role": "user", "content": "Weather?"}]


async def ask(node: Node, key: str, path: str, body: Any = None, method: str = "POST") -> tuple[int, Any]:
    done = await Exchange(make_app(node), path, body or b"", method, x_api_key=key).run()
    return done.status, json.loads(done.body)


async def test_servers_are_listed_for_whom_they_are() -> None:
    async with mcp_node() as plain:
        node = replace(plain, ring=RING)
        await settle()
        for key, names in (("ana", ["weather"]), ("ben", [])):
            for path in ("/v1/mcp/servers", "/v1/mcp/tools"):
                _, body = await ask(node, key, path, method="GET")
                assert [one.get("server", one["name"]) for one in body["data"]] == names


async def test_a_foreign_server_is_not_called() -> None:
    async with mcp_node() as plain:
        node = replace(plain, ring=RING)
        await settle()
        call = {"tool": "get_weather", "arguments": {"city": "Paris"}}
        assert (await ask(node, "ana", "/v1/mcp/execute", call))[0] == 200
        assert (await ask(node, "ben", "/v1/mcp/execute", call))[0] == 403
        chat = {"model": "chat", "messages": HI, "tools": [{"type": "mcp", "server_label": "weather"}]}
        assert (await ask(node, "ana", "/v1/chat/completions", chat))[0] == 200
        status, body = await ask(node, "ben", "/v1/chat/completions", chat)
        assert (status, body["error"]["code"]) == (403, "permission_denied")


async def test_a_models_own_servers_are_left_out_for_whom_they_are_not() -> None:
    async with mcp_node(model=("weather",)) as plain:
        node = replace(plain, ring=RING)
        await settle()
        chat = {"model": "chat", "messages": HI}
        for key, tools in (("ana", ["get_weather"]), ("ben", [])):
            assert (await ask(node, key, "/v1/chat/completions", chat))[0] == 200
            dispatcher: Any = node.dispatcher
            assert [tool.name for tool in dispatcher.work.prompt.tools] == tools


async def test_stored_responses_belong_to_the_key_that_made_them() -> None:
    node = replace(make_node(), ring=RING)
    _, made = await ask(node, "ana", "/v1/responses", {"model": "chat", "input": "hi"})
    path = f"/v1/responses/{made['id']}"
    assert (await ask(node, "ana", path, method="GET"))[0] == 200
    for method, rest in (("GET", ""), ("GET", "/input_items"), ("DELETE", ""), ("POST", "/cancel")):
        assert (await ask(node, "ben", path + rest, method=method))[0] == 404
    goes_on = {"model": "chat", "input": "more", "previous_response_id": made["id"]}
    status, body = await ask(node, "ben", "/v1/responses", goes_on)
    assert (status, body["error"]["code"]) == (400, "previous_response_not_found")
    item = {"model": "chat", "input": [{"type": "item_reference", "id": made["output"][0]["id"]}]}
    assert (await ask(node, "ben", "/v1/responses", item))[0] == 404
    assert (await ask(node, "ana", "/v1/responses", goes_on))[0] == 200
    await node.responses.close()
