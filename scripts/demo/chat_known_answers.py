"""Writes demo-chat's known answers to tests/data/demo_chat.json, for tests that hold served answers against them.

    python -m scripts.demo.chat_known_answers

A list of objects: `messages` and `tools` as a client sends them, `thinking` (the request's enable_thinking),
`reasoning` (null without thinking), and either `answer` or `tool_calls` (name and arguments).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.demo.data_chat import EXCHANGES
from scripts.demo.exchange import Exchange

FILE = Path(__file__).parents[2] / "tests" / "data" / "demo_chat.json"


def known_answers() -> list[dict[str, Any]]:
    return [describe(exchange, thinking) for exchange in EXCHANGES for thinking in (True, False)]


def describe(exchange: Exchange, thinking: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"messages": list(exchange.messages)}
    if exchange.tools:
        entry["tools"] = list(exchange.tools)
    entry |= {"thinking": thinking, "reasoning": exchange.reasoning if thinking else None}
    if exchange.calls:
        return entry | {"tool_calls": [{"name": call.name, "arguments": call.arguments} for call in exchange.calls]}
    return entry | {"answer": exchange.answer}


def render() -> str:
    """The file's text: one entry a line."""
    lines = (json.dumps(entry, ensure_ascii=False) for entry in known_answers())
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(render(), encoding="utf-8")
