"""Tools of MCP servers in the Responses API: run within the answer, or after the user has approved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.mcp.events import ServerTool
from gateway.mcp.result import ToolResult
from shared.config.mcp import McpServer
from shared.errors import InvalidRequest
from shared.messages import Accepted, ChoiceFinished, Finished, ToolCallDelta
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import USAGE, make_app, make_node, says

READ = ServerTool("files", "read", "Reads a file.", '{"type": "object"}')
WRITE = ServerTool("files", "write", "Writes a file.", '{"type": "object"}')
FILES = {"type": "mcp", "server_label": "files"}


class FakeServers:
    def __init__(self):
        self.called = []

    def check(self, server, param):
        if server != "files":
            raise InvalidRequest("no such server", param=param)

    def config(self, server):
        return McpServer(url="https://files.example/mcp")

    async def tools(self, server):
        return (READ, WRITE)

    async def call(self, tool, arguments):
        self.called.append((tool.name, arguments))
        return ToolResult(f"result of {tool.name}")


def calls(*names):
    """A turn that calls tools, then one that answers."""

    def script(work):
        if any(message.role == "tool" for message in work.prompt.messages):
            return says("done")(work)
        deltas = [ToolCallDelta(work.request, 0, n, f"c{n}", name, '{"p": 1}') for n, name in enumerate(names)]
        return [
            Accepted(work.request),
            *deltas,
            ChoiceFinished(work.request, 0, "tool_calls"),
            Finished(work.request, USAGE),
        ]

    return script


@pytest.fixture
async def node():
    found = replace(make_node(calls("read")), mcp=FakeServers())
    yield found
    await found.responses.close()


async def ask(node, **body):
    done = await Exchange(make_app(node), "/v1/responses", {"model": "chat", "input": "hi"} | body).run()
    return json.loads(done.body)


def types(answer):
    return [item["type"] for item in answer["output"]]


async def test_a_servers_tool_runs_within_the_answer(node):
    answer = await ask(node, tools=[FILES])
    assert types(answer) == ["mcp_list_tools", "mcp_call", "message"]
    assert [tool["name"] for tool in answer["output"][0]["tools"]] == ["read", "write"]
    assert answer["output"][1]["output"] == "result of read"
    assert node.mcp.called == [("read", {"p": 1})]
    assert answer["usage"]["total_tokens"] == 2 * (USAGE.prompt_tokens + USAGE.completion_tokens)


async def test_its_events_are_streamed(node):
    body = {"model": "chat", "input": "hi", "stream": True, "tools": [FILES]}
    done = await Exchange(make_app(node), "/v1/responses", body).run()
    kinds = [
        line.removeprefix(b"event: response.").decode() for line in done.body.splitlines() if line[:6] == b"event:"
    ]
    assert [kind for kind in kinds if kind.startswith("mcp")] == [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
    ]
    assert kinds[-1] == "completed"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ["read", "write"]),
        ({"tools": [FILES | {"allowed_tools": ["write"]}]}, ["write"]),
        ({"tools": [FILES | {"allowed_tools": {"tool_names": ["write"]}}]}, ["write"]),
        ({"tool_choice": {"type": "mcp", "server_label": "files", "name": "read"}}, ["read"]),
        ({"tool_choice": "none"}, []),
    ],
)
async def test_what_the_model_is_shown(node, body, names):
    await ask(node, **{"tools": [FILES]} | body)
    first = node.dispatcher.opened[0][1]
    assert [tool.name for tool in first.prompt.tools] == names


async def test_allowed_tools_of_both_kinds(node):
    function = {"type": "function", "name": "f"}
    other = {"type": "function", "name": "g"}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [function, {"type": "mcp", "server_label": "files"}]}
    await ask(node, tools=[FILES, function, other], tool_choice=choice)
    first = node.dispatcher.opened[0][1]
    assert [tool.name for tool in first.prompt.tools] == ["f", "read", "write"]
    assert first.callable_tools == ()


@pytest.mark.parametrize(
    ("tool", "param", "code"),
    [
        (FILES | {"server_label": "x"}, "tools[0].server_label", "invalid_value"),
        (FILES | {"server_url": "https://evil.example"}, "tools[0].server_url", "unsupported_parameter"),
        (FILES | {"headers": {"a": "b"}}, "tools[0].headers", "unsupported_parameter"),
        (FILES | {"authorization": "secret"}, "tools[0].authorization", "unsupported_parameter"),
        (FILES | {"connector_id": "c"}, "tools[0].connector_id", "unsupported_parameter"),
        (FILES | {"require_approval": "maybe"}, "tools[0].require_approval", "invalid_value"),
        (FILES | {"allowed_tools": "read"}, "tools[0].allowed_tools", "invalid_value"),
        (FILES | {"allowed_tools": {"read_only": True}}, "tools[0].allowed_tools.read_only", "unsupported_parameter"),
        ({"type": "mcp"}, "tools[0].server_label", "invalid_value"),
    ],
)
async def test_what_a_request_may_not_say_of_a_server(node, tool, param, code):
    error = (await ask(node, tools=[tool]))["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert node.dispatcher.opened == []


async def test_a_server_is_named_once(node):
    assert (await ask(node, tools=[FILES, FILES]))["error"]["param"] == "tools[1].server_label"


async def test_its_own_url_is_no_news(node):
    answer = await ask(node, tools=[FILES | {"server_url": "https://files.example/mcp"}])
    assert answer["status"] == "completed"


# ------------------------------------------------------------------ approvals
ALWAYS = FILES | {"require_approval": "always"}


def approval(answer, approve):
    request = answer["output"][-1]
    return {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve}


async def test_a_call_waits_for_approval(node):
    asked = await ask(node, tools=[ALWAYS])
    assert types(asked) == ["mcp_list_tools", "mcp_approval_request"]
    request = asked["output"][-1]
    assert (request["server_label"], request["name"], request["arguments"]) == ("files", "read", '{"p": 1}')
    assert node.mcp.called == []
    done = await ask(node, tools=[ALWAYS], previous_response_id=asked["id"], input=[approval(asked, True)])
    assert types(done) == ["mcp_list_tools", "mcp_call", "message"]
    assert (done["output"][1]["approval_request_id"], done["output"][1]["output"]) == (request["id"], "result of read")
    messages = node.dispatcher.work.prompt.messages
    assert [(one.role, one.tool_call_id) for one in messages][1:] == [("assistant", None), ("tool", request["id"])]
    more = await ask(node, tools=[ALWAYS], previous_response_id=done["id"], input="more")
    assert more["status"] == "completed"
    assert node.mcp.called == [("read", {"p": 1})]  # once, however often the conversation is read
    assert [one.role for one in node.dispatcher.work.prompt.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


async def test_a_conversation_that_the_client_keeps_runs_an_approved_call_once(node):
    asked = await ask(node, tools=[ALWAYS], store=False)
    items = [{"role": "user", "content": "hi"}, *asked["output"], approval(asked, True)]
    done = await ask(node, tools=[ALWAYS], store=False, input=items)
    again = [*items, *done["output"], {"role": "user", "content": "more"}]
    assert (await ask(node, tools=[ALWAYS], store=False, input=again))["status"] == "completed"
    assert len(node.mcp.called) == 1


async def test_a_refused_call_is_told_to_the_model(node):
    asked = await ask(node, tools=[ALWAYS])
    await ask(node, tools=[ALWAYS], previous_response_id=asked["id"], input=[approval(asked, False)])
    assert node.mcp.called == []
    assert "refused" in node.dispatcher.work.prompt.messages[-1].content[0].text


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ({"always": {"tool_names": ["write"]}}, ["mcp_list_tools", "mcp_call", "message"]),
        ({"always": {"tool_names": ["read"]}}, ["mcp_list_tools", "mcp_approval_request"]),
        ({"never": {"tool_names": ["read"]}}, ["mcp_list_tools", "mcp_call", "message"]),
        ({"never": {"tool_names": ["write"]}}, ["mcp_list_tools", "mcp_approval_request"]),
    ],
)
async def test_some_calls_wait_and_others_run(node, wanted, kinds):
    assert types(await ask(node, tools=[FILES | {"require_approval": wanted}])) == kinds


async def test_an_approval_of_nothing_is_refused(node):
    lone = {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}
    error = (await ask(node, tools=[ALWAYS], input=[lone]))["error"]
    assert error["param"] == "input[0].approval_request_id"


async def test_nothing_is_run_for_a_request_that_is_refused(node):
    asked = await ask(node, tools=[ALWAYS])
    items = [approval(asked, True), {"type": "nonsense"}]
    error = (await ask(node, tools=[ALWAYS], previous_response_id=asked["id"], input=items))["error"]
    assert error["param"] == "input[1].type"
    assert node.mcp.called == []


async def test_an_approval_needs_its_server(node):
    asked = await ask(node, tools=[ALWAYS])
    error = (await ask(node, previous_response_id=asked["id"], input=[approval(asked, True)]))["error"]
    assert error["param"] == "input[0].approval_request_id"
    assert node.mcp.called == []
