"""GET /v1/mcp/servers, GET /v1/mcp/tools, POST /v1/mcp/execute: the MCP servers of the node's YAML.

What is started or asked, with which environment and headers, is the YAML's alone; requests name servers and tools.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from gateway.api.body import read_json
from gateway.api.disconnect import while_connected
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.validate import validate
from gateway.mcp.events import ServerTool
from gateway.mcp.naming import qualified
from gateway.mcp.server import ServerFacts
from gateway.tenancy.current import current
from shared.errors import Forbidden, InvalidRequest

router = APIRouter(tags=["mcp"])


class ExecuteRequest(Lenient):
    """A tool by its own name or as `server__tool`; `tool_name` is the same as `tool`."""

    server: str | None = Field(None, min_length=1)
    tool: str | None = Field(None, min_length=1)
    tool_name: str | None = Field(None, min_length=1)
    arguments: dict[str, Any] | None = None


@router.get("/v1/mcp/servers", summary="MCP servers and their state")
async def servers(node: NodeDep) -> JSONResponse:
    return JSONResponse({"object": "list", "data": [_server(facts) for facts in _visible(node)]})


@router.get("/v1/mcp/tools", summary="Tools of the MCP servers that are ready")
async def tools(node: NodeDep) -> JSONResponse:
    found = [tool for facts in _visible(node) for tool in facts.tools]
    return JSONResponse({"object": "list", "data": [_tool(tool) for tool in found]})


@router.post("/v1/mcp/execute", summary="Call a tool of an MCP server", openapi_extra=json_body(ExecuteRequest))
async def execute(request: Request, node: NodeDep) -> JSONResponse:
    """A tool that fails answers with `is_error`; a server that does not answer is an error of the request."""
    parsed = validate(ExecuteRequest, await read_json(request))
    name = parsed.tool or parsed.tool_name
    if name is None:
        raise InvalidRequest("Missing required parameter: 'tool'.", param="tool")
    tool = await node.mcp.find(parsed.server, name)
    if not current().may_call(tool.server):
        raise Forbidden(f"This key may not use the tool server `{tool.server}`.", param="server")
    result = await while_connected(request.receive, node.mcp.call(tool, parsed.arguments or {}))
    content = [{"type": "text", "text": result.text}]
    body = {"server": tool.server, "tool": tool.name, "content": content, "is_error": result.is_error}
    return JSONResponse(body)


def _visible(node: Node) -> list[ServerFacts]:
    return [facts for facts in node.mcp.facts() if current().may_call(facts.name)]


def _server(facts: ServerFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "transport": facts.transport,
        "state": facts.state,
        "tools": len(facts.tools),
        "error": facts.error,
    }


def _tool(tool: ServerTool) -> dict[str, Any]:
    return {
        "name": qualified(tool),
        "server": tool.server,
        "tool": tool.name,
        "description": tool.description,
        "input_schema": json.loads(tool.input_schema),
        "annotations": json.loads(tool.annotations),
    }
