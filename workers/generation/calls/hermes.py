"""`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen 2.5 and 3, ERNIE 4.5, and many others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import json_list
from workers.generation.calls.lark import NEWLINE, Lark, json_calls
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import Steps
from workers.generation.calls.tags import QWEN3_CODER, read_calls

_START, _END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class Hermes:
    name: str = "hermes"
    markers: tuple[str, ...] = (_START, _END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_START,), _section, tools, (_END, *QWEN3_CODER.ends))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        calls = json_calls(lark, tools, required)
        lark.rule("call_section", f"{NEWLINE} {calls} {NEWLINE} {spell(_END)}")
        return lark.answer(_START, "call_section", required=required, repeats=parallel, between="\n")


def _section(reader: Reader, mark: str) -> Steps[None]:
    """Between the same markers some models write Qwen's tags, others a list."""
    if (yield from reader.source.space()) == "<":
        yield from read_calls(reader, QWEN3_CODER, mark)
        return
    yield from json_list(reader)
    yield from reader.close(_END)


HERMES = Hermes()
ERNIE45 = Hermes("ernie45")
