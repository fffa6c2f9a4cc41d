"""Tool calls in a model's own format to `ToolCall`s, through mlx-lm's parser for the family."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from shared.messages import Tool, ToolCall


class ToolParser:
    """Parses what stands between the family's tool-call markers."""

    def __init__(self, tokenizer: Any, tools: Sequence[Tool], single: bool = False) -> None:
        self.single = single  # the answer ends with its first call
        self._parse = tokenizer.tool_parser
        self._start = str(tokenizer.tool_call_start)
        self._end = str(tokenizer.tool_call_end or "")
        self._tools = [as_template_tool(tool) for tool in tools]

    def parse(self, text: str) -> list[ToolCall] | None:
        """The calls in `text`, or None when it is not a call."""
        try:
            found = self._parse(text, self._tools)
            return [_call(call) for call in (found if isinstance(found, list) else [found])]
        except Exception:
            # The family's parser met text that a model wrote: any failure means that it is not a call.
            return None

    @property
    def closes(self) -> bool:
        """Whether the family marks the end of a call; where it doesn't, the end of the answer is the end."""
        return bool(self._end)

    def restore(self, text: str, closed: bool) -> str:
        """The text with its markers, for when it is no call."""
        return self._start + text + (self._end if closed else "")


def as_template_tool(tool: Tool) -> dict[str, Any]:
    """The shape that chat templates expect (Hugging Face's, which is OpenAI's)."""
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}


def _call(found: dict[str, Any]) -> ToolCall:
    arguments = found.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    name = found["name"]
    if not isinstance(name, str) or not name:
        raise ValueError("a call needs a name")
    return ToolCall(str(found.get("id") or f"call_{uuid.uuid4().hex[:24]}"), name, text)
