"""Where an answer's events come from: a worker's `Stream`, or a `Conversation` with the tools of MCP servers."""

from __future__ import annotations

from gateway.mcp.events import AnswerEvent
from gateway.routing.source import Source

AnswerSource = Source[AnswerEvent]
