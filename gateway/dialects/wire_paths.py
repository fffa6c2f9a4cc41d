"""A worker's names for parts of a request, in the client's words.

On the wire messages are merged, split and moved, tools may be left out, and a grammar doesn't know where it came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.media.source import MediaSource
from shared.messages import MediaPart, Prompt

_PART = re.compile(r"messages\[(\d{1,9})\]\.content\[(\d{1,9})\]")
_TOOL = re.compile(r"tools\[(\d{1,9})\]\.function\.parameters")
_GRAMMARS = ("response_format", "structured_outputs")  # what a worker calls every grammar


@dataclass(frozen=True, slots=True)
class ClientWords:
    """`grammar` is where the client named the answer's format, `tools` where each of the prompt's tools has its schema.

    `names` are other parameters by the worker's name. What is empty keeps the worker's.
    """

    prompt: Prompt | None = None
    sources: Sequence[MediaSource] = ()
    grammar: str | None = None
    tools: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def told(self, param: str | None, message: str) -> tuple[str | None, str]:
        """An error's parameter and message; a part of a message is named by where the client put it, or not at all."""
        message = _PART.sub(self._part, message)
        if param is None:
            return None, message
        if self.grammar is not None and param.split(".")[0] in _GRAMMARS:
            return self.grammar, message
        param = _TOOL.sub(self._tool, _PART.sub(self._part, param))
        return self.names.get(param, param), message

    def _part(self, found: re.Match[str]) -> str:
        at, index = int(found[1]), int(found[2])
        messages = self.prompt.messages if self.prompt is not None else ()
        content = messages[at].content if at < len(messages) else ()
        part = content[index] if index < len(content) else None
        known = isinstance(part, MediaPart) and part.blob < len(self.sources)
        return self.sources[part.blob].param if known and isinstance(part, MediaPart) else "messages"

    def _tool(self, found: re.Match[str]) -> str:
        at = int(found[1])
        return self.tools[at] if at < len(self.tools) else found[0]
