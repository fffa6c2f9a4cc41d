"""InternLM 2: `<|action_start|><|plugin|>` and a JSON object, a section for each call.

Code for its interpreter, which has a marker of its own in place of the plugin's, is text.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import json_list
from workers.generation.calls.lark import NEWLINE, Lark, json_calls
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import Steps

_START, _PLUGIN, _END = "<|action_start|>", "<|plugin|>", "<|action_end|>"


class InternLM2:
    name = "internlm2"
    markers: tuple[str, ...] = (_START, _PLUGIN, _END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_START,), _section, tools, (_END,))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        calls = json_calls(lark, tools, required, key="parameters")
        lark.rule("call_section", f"{spell(_PLUGIN)} {NEWLINE} {calls} {spell(_END)}")
        return lark.answer(_START, "call_section", required=required, repeats=parallel)


def _section(reader: Reader, mark: str) -> Steps[None]:
    yield from reader.source.space()
    yield from reader.source.expect(_PLUGIN)
    yield from json_list(reader)
    yield from reader.close(_END)
