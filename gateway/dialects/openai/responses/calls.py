"""Calls that the client runs: `function_call`, and `custom_tool_call` with its text taken out of the arguments."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

from gateway.dialects.openai.responses.tools import Callee

Payload = dict[str, Any]


class CallItem:
    """One call, in the names by which the client knows the tool."""

    def __init__(self, item_id: str, call_id: str, callee: Callee) -> None:
        self.id = item_id
        self._call_id = call_id
        self._callee = callee
        self._pieces: list[str] = []
        self._free = FreeText() if callee.kind == "custom" else None
        self._event = "response.custom_tool_call_input" if self._free else "response.function_call_arguments"

    def open(self) -> list[Payload]:
        return [{"type": "response.output_item.added", "item": self._item("in_progress", "")}]

    def add(self, arguments: str) -> list[Payload]:
        self._pieces.append(arguments)
        return self._delta(arguments if self._free is None else self._free.feed(arguments))

    def close(self, status: str) -> list[Payload]:
        found: list[Payload] = []
        if self._free is None:
            text = "".join(self._pieces) or ("{}" if status == "completed" else "")
            if not self._pieces:
                found = self._delta(text)
            key = "arguments"
        else:
            found = self._delta(self._free.end())
            text, key = self._free.text, "input"
        done = {"type": f"{self._event}.done", key: text}
        if self._free is None:
            done["name"] = self._callee.name
        return [*found, done, {"type": "response.output_item.done", "item": self._item(status, text)}]

    def _delta(self, text: str) -> list[Payload]:
        return [{"type": f"{self._event}.delta", "delta": text}] if text else []

    def _item(self, status: str, text: str) -> Payload:
        custom = self._free is not None
        item = {
            "id": self.id,
            "type": "custom_tool_call" if custom else "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._callee.name,
            "input" if custom else "arguments": text,
        }
        return item | ({"namespace": self._callee.namespace} if self._callee.namespace else {})


class ApprovalItem:
    """A call of a server's tool that waits for the user: `mcp_approval_request`, told of as a whole."""

    def __init__(self, item_id: str, callee: Callee) -> None:
        self.id = item_id
        self._callee = callee
        self._pieces: list[str] = []

    def open(self) -> list[Payload]:
        return []

    def add(self, arguments: str) -> list[Payload]:
        self._pieces.append(arguments)
        return []

    def close(self, status: str) -> list[Payload]:
        item = {
            "id": self.id,
            "type": "mcp_approval_request",
            "server_label": self._callee.namespace,
            "name": self._callee.name,
            "arguments": "".join(self._pieces) or "{}",
        }
        return [
            {"type": "response.output_item.added", "item": item},
            {"type": "response.output_item.done", "item": item},
        ]


class FreeText:
    """The text in `{"input": "…"}`, as far as it is known. Arguments of another shape are the text themselves."""

    def __init__(self) -> None:
        self.text = ""
        self._pieces: list[str] = []
        self._size = 0
        self._read_from = 0  # size at which it is read again: in steps that grow, so that long texts stay cheap

    def feed(self, arguments: str) -> str:
        """What is new of the text."""
        self._pieces.append(arguments)
        self._size += len(arguments)
        if self._size < self._read_from:
            return ""
        self._read_from = self._size + self._size // 16
        try:
            found = from_json("".join(self._pieces), allow_partial="trailing-strings")
        except ValueError:
            return ""
        return self._grow(found)

    def end(self) -> str:
        """The rest of the text."""
        arguments = "".join(self._pieces)
        try:
            found = json.loads(arguments or "{}")
        except ValueError:
            found = None
        return self._grow(found) if _text_of(found) is not None else self._grow({"input": self.text or arguments})

    def _grow(self, found: Any) -> str:
        text = _text_of(found)
        if text is None or not text.startswith(self.text):
            return ""
        new, self.text = text[len(self.text) :], text
        return new


def _text_of(found: Any) -> str | None:
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else None
