"""The MCP tools that a request uses: those that run, those that wait for the user, and calls that he approved."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.dialects.openai.responses.mcp_tools import McpUse
from gateway.dialects.openai.responses.request import Asked
from gateway.dialects.openai.responses.tools import add_approved
from gateway.mcp.conversation import MAX_RESULT
from gateway.mcp.events import (
    AnswerEvent,
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerCallRuns,
    ServerUse,
    ToolsListed,
)
from gateway.mcp.result import ToolResult, cut
from gateway.mcp.servers import ToolServers
from gateway.responses.record import Payload
from shared.errors import InvalidRequest, RequestError, UnsupportedParameter


@dataclass(slots=True)
class ServerTools:
    """`asked` has the results of approved calls in place of the approvals; `events` come first in the answer.

    `approvals`: the approval request that each call of `events` goes back to.
    """

    asked: Asked
    uses: list[ServerUse] = field(default_factory=list)
    events: list[AnswerEvent] = field(default_factory=list)
    approvals: dict[str, str] = field(default_factory=dict)


async def prepare(
    servers: ToolServers, asked: Asked, history: Sequence[Payload], request_id: str, check: Callable[[], object]
) -> ServerTools:
    """Runs what the user has approved, once `check` has found nothing wrong with the request.

    Raises InvalidRequest for servers and approvals that are not known, or what `check` raises.
    """
    found = ServerTools(asked)
    for use in asked.uses:
        _check(servers, use)
        if asked.choice.use_tools and use.tools != frozenset():
            await _offer(found, servers, use, request_id)
    await _run_approved(found, servers, history, request_id, check)
    return found


def _check(servers: ToolServers, use: McpUse) -> None:
    servers.check(use.server, f"{use.at}.server_label")
    if use.url is not None and use.url != servers.config(use.server).url:
        raise UnsupportedParameter(
            f"Unsupported value for '{use.at}.server_url': servers come from the node's configuration; leave it out.",
            param=f"{use.at}.server_url",
        )


async def _offer(found: ServerTools, servers: ToolServers, use: McpUse, request_id: str) -> None:
    param = f"{use.at}.server_label"
    names = None if use.tools is None else tuple(sorted(use.tools))
    if not use.may_need_approval:
        found.uses.append(ServerUse(use.server, names, param=param))
        return
    tools = use.picked(await servers.tools(use.server))
    waiting = [tool for tool in tools if use.needs_approval(tool.name)]
    add_approved(found.asked.tools, waiting, use.at)
    if len(waiting) < len(tools):
        without = tuple(tool.name for tool in waiting)
        found.uses.append(ServerUse(use.server, names, without, param=param))
    else:
        found.events.append(ToolsListed(request_id, use.server, tuple(tools)))


# ------------------------------------------------------------------ approvals
async def _run_approved(
    found: ServerTools,
    servers: ToolServers,
    history: Sequence[Payload],
    request_id: str,
    check: Callable[[], object],
) -> None:
    everything = (*history, *found.asked.items)
    requests = {item.get("id"): item for item in everything if item.get("type") == "mcp_approval_request"}
    done = {item.get("approval_request_id") for item in everything if item.get("type") == "mcp_call"}
    items = list(found.asked.items)
    for index, item in enumerate(items):
        wanted = item.get("approval_request_id")
        if item.get("type") != "mcp_approval_response" or item.get("approve") is not True or wanted in done:
            continue
        if not isinstance(wanted, str) or wanted not in requests:
            raise InvalidRequest(
                f"Invalid value for 'input[{index}].approval_request_id': there is no such request.",
                param=f"input[{index}].approval_request_id",
            )
        check()
        done.add(wanted)
        items[index] = await _run(found, servers, requests[wanted], f"input[{index}]", request_id)
    found.asked = replace(found.asked, items=tuple(items))


async def _run(found: ServerTools, servers: ToolServers, request: Payload, at: str, request_id: str) -> Payload:
    """The call as an item, and its events."""
    server, name, arguments = (str(request.get(key) or "") for key in ("server_label", "name", "arguments"))
    use = next((use for use in found.asked.uses if use.server == server), None)
    if use is None:
        raise InvalidRequest(
            f"Invalid value for '{at}.approval_request_id': its server is not among 'tools'.",
            param=f"{at}.approval_request_id",
        )
    result = cut(await _result(servers, use, name, arguments), MAX_RESULT)
    call, error = f"approved-{len(found.approvals)}", result.text if result.is_error else None
    found.approvals[call] = str(request["id"])
    found.events += [
        ServerCallBegins(request_id, call, server, name),
        ServerCallArguments(request_id, call, arguments),
        ServerCallRuns(request_id, call),
        ServerCallEnds(request_id, call, result.text, error),
    ]
    item = {"type": "mcp_call", "id": call, "server_label": server, "name": name, "arguments": arguments}
    return item | {"approval_request_id": request["id"], "output": result.text, "error": error}


async def _result(servers: ToolServers, use: McpUse, name: str, arguments: str) -> ToolResult:
    parsed = _parsed(arguments)
    if parsed is None:
        return ToolResult("not called: the arguments are not a JSON object", is_error=True)
    try:
        tool = next((tool for tool in use.picked(await servers.tools(use.server)) if tool.name == name), None)
        if tool is None:
            return ToolResult("not called: the server has no such tool", is_error=True)
        return await servers.call(tool, parsed)
    except RequestError as error:
        return ToolResult(error.message, is_error=True)


def _parsed(arguments: str) -> dict[str, Any] | None:
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
