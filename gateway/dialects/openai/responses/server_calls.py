"""Calls that the node makes itself, of tools of MCP servers: `mcp_list_tools` and `mcp_call` items and their events."""

from __future__ import annotations

import json
from typing import Any

from gateway.mcp.events import ServerCallBegins, ServerCallEnds, ServerTool, ToolsListed

Payload = dict[str, Any]


class ListItem:
    """What one server offers; there at once."""

    def __init__(self, item_id: str, listed: ToolsListed) -> None:
        self.id = item_id
        self._listed = listed

    def whole(self) -> list[Payload]:
        ended = "completed" if self._listed.error is None else "failed"
        return [
            {"type": "response.output_item.added", "item": self._item(())},
            {"type": "response.mcp_list_tools.in_progress"},
            {"type": f"response.mcp_list_tools.{ended}"},
            {"type": "response.output_item.done", "item": self._item(self._listed.tools)},
        ]

    def _item(self, tools: tuple[ServerTool, ...]) -> Payload:
        return {
            "id": self.id,
            "type": "mcp_list_tools",
            "server_label": self._listed.server,
            "tools": [_tool(tool) for tool in tools],
            "error": self._listed.error,
        }


class ServerCallItem:
    """One call, from the model's first word of it to the server's answer."""

    def __init__(self, item_id: str, begins: ServerCallBegins, approval: str | None = None) -> None:
        self.id = item_id
        self._begins = begins
        self._approval = approval
        self._arguments = ""
        self._whole = False

    def open(self) -> list[Payload]:
        item = self._item("in_progress", None, None)
        return [{"type": "response.output_item.added", "item": item}, {"type": "response.mcp_call.in_progress"}]

    def add(self, arguments: str) -> list[Payload]:
        self._arguments += arguments
        return [{"type": "response.mcp_call_arguments.delta", "delta": arguments}]

    def run(self) -> list[Payload]:
        """The arguments are whole."""
        if self._whole:
            return []
        self._whole = True
        self._arguments = self._arguments or "{}"
        return [{"type": "response.mcp_call_arguments.done", "arguments": self._arguments}]

    def end(self, ends: ServerCallEnds) -> list[Payload]:
        ended = "completed" if ends.error is None else "failed"
        error = None if ends.error is None else {"type": "mcp_tool_execution_error", "content": ends.error}
        item = self._item(ended, ends.output if error is None else None, error)
        return [
            *self.run(),
            {"type": f"response.mcp_call.{ended}"},
            {"type": "response.output_item.done", "item": item},
        ]

    def _item(self, status: str, output: str | None, error: Payload | None) -> Payload:
        return {
            "id": self.id,
            "type": "mcp_call",
            "status": status,
            "server_label": self._begins.server,
            "name": self._begins.name,
            "arguments": self._arguments,
            "approval_request_id": self._approval,
            "output": output,
            "error": error,
        }


def _tool(tool: ServerTool) -> Payload:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": json.loads(tool.input_schema),
        "annotations": json.loads(tool.annotations),
    }
