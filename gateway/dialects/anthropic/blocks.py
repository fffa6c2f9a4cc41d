"""Deltas of the wire to Anthropic's content blocks; the single answer folds the same events that a stream sends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gateway.dialects.anthropic.server_tools import to_result_block, to_use_block
from gateway.dialects.history import INVALID_JSON
from gateway.mcp.events import (
    AnswerEvent,
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerEvent,
    TurnsExhausted,
)
from shared.messages import ChoiceFinished, ReasoningDelta, TextDelta, ToolCallDelta

Payload = dict[str, Any]

_EMPTY: dict[str, Payload] = {
    "text": {"type": "text", "text": ""},  # no `citations: null`: the Vercel AI SDK takes a list or nothing
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


class Blocks:
    """Opens, fills and closes blocks, one at a time. A text that is nothing but blanks opens none."""

    def __init__(self, signature: str, show_thinking: bool) -> None:
        """`signature` is what clients want to see under a thought; it is opaque, and never read back."""
        self.finished: ChoiceFinished | None = None
        self.paused = False  # the model would go on, in another request
        self._signature = signature
        self._show_thinking = show_thinking
        self._index = -1
        self._open: str | int | None = None  # "text", "thinking" or the number of a call, or its id
        self._held = ("", "")  # kind and blanks of a block that may yet begin

    def feed(self, event: AnswerEvent) -> list[Payload]:
        """The stream's events that one event of the answer makes."""
        if isinstance(event, TextDelta):
            return self._write("text", event.text)
        if isinstance(event, ReasoningDelta):
            return self._write("thinking", event.text)
        if isinstance(event, ToolCallDelta):
            return self._call(event)
        if isinstance(event, ChoiceFinished):
            self.finished = event
            return self._close()
        return self._server(event) if isinstance(event, ServerEvent) else []

    def _server(self, event: ServerEvent) -> list[Payload]:
        if isinstance(event, ServerCallBegins):
            return self._begin(event.call, to_use_block(event))
        if isinstance(event, ServerCallArguments):
            return [self._delta({"type": "input_json_delta", "partial_json": event.arguments})]
        if isinstance(event, ServerCallEnds):
            return [*self._begin(event.call, to_result_block(event)), *self._close()]
        self.paused = self.paused or isinstance(event, TurnsExhausted)
        return []

    def _write(self, kind: str, text: str) -> list[Payload]:
        if self._open == kind:
            return self._add(kind, text)
        text = (self._held[1] if self._held[0] == kind else "") + text
        if not text or text.isspace():
            self._held = (kind, text)
            return []
        return [*self._begin(kind, dict(_EMPTY[kind])), *self._add(kind, text)]

    def _add(self, kind: str, text: str) -> list[Payload]:
        if not text or (kind == "thinking" and not self._show_thinking):
            return []
        name, key = _DELTAS[kind]
        return [self._delta({"type": name, key: text})]

    def _call(self, event: ToolCallDelta) -> list[Payload]:
        found: list[Payload] = []
        if self._open != event.call:
            found += self._begin(event.call, {"type": "tool_use", "id": event.id, "name": event.name, "input": {}})
        if event.arguments:
            found.append(self._delta({"type": "input_json_delta", "partial_json": event.arguments}))
        return found

    def _begin(self, kind: str | int, block: Payload) -> list[Payload]:
        closed = self._close()
        self._index += 1
        self._open = kind
        return [*closed, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _close(self) -> list[Payload]:
        kind, self._open, self._held = self._open, None, ("", "")
        if kind is None:
            return []
        signature = {"type": "signature_delta", "signature": self._signature}
        signed = [self._delta(signature)] if kind == "thinking" else []
        return [*signed, {"type": "content_block_stop", "index": self._index}]

    def _delta(self, delta: Payload) -> Payload:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def fold(payloads: Iterable[Payload]) -> list[Payload]:
    """The content blocks that the events of `Blocks` describe."""
    blocks: list[Payload] = []
    pieces: list[list[str]] = []
    for payload in payloads:
        if payload["type"] == "content_block_start":
            blocks.append(dict(payload["content_block"]))
            pieces.append([])
        elif payload["type"] == "content_block_delta":
            delta = payload["delta"]
            if delta["type"] == "signature_delta":
                blocks[payload["index"]]["signature"] = delta["signature"]
            else:
                pieces[payload["index"]].append(next(delta[key] for key in delta if key != "type"))
    for block, texts in zip(blocks, pieces, strict=True):
        if block["type"] in ("tool_use", "mcp_tool_use"):
            block["input"] = _input("".join(texts))
        elif block["type"] in _DELTAS:
            block[block["type"]] = "".join(texts)
    return blocks


def _input(text: str) -> dict[str, Any]:
    """Arguments that were cut, or are no object, come under the name that Anthropic gives them."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {INVALID_JSON: text}
