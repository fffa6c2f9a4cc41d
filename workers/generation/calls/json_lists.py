"""A marker and a JSON list of calls: Granite 3, Nemotron, Phi 4 mini, Cohere, Hunyuan and Jamba."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import json_list
from workers.generation.calls.lark import Lark, json_calls, json_list_body
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import Steps


@dataclass(frozen=True)
class JsonLists:
    """`start` and `end` are what the grammar writes, `others` what is read besides. An empty `end`: none is written."""

    name: str
    start: str
    end: str = ""
    others: tuple[str, ...] = ()
    other_ends: tuple[str, ...] = ()
    keys: tuple[str, str] = ("name", "arguments")

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(mark for mark in (self.start, self.end, *self.others, *self.other_ends) if mark)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((self.start, *self.others), self._section, tools, self._ends)

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        body = json_list_body(json_calls(lark, tools, required, *self.keys), parallel)
        lark.rule("call_section", f"{body} {spell(self.end)}" if self.end else body)
        return lark.answer(self.start, "call_section", required=required, repeats=False)

    def _section(self, reader: Reader, mark: str) -> Steps[None]:
        yield from json_list(reader, opened=mark.endswith("["))
        if self._ends:
            yield from reader.close(*self._ends)

    @property
    def _ends(self) -> tuple[str, ...]:
        return tuple(end for end in (self.end, *self.other_ends) if end)


GRANITE = JsonLists("granite", "<|tool_call|>", "", ("<tool_call>",), ("</tool_call>",))
NEMOTRON = JsonLists("nemotron", "<TOOLCALL>", "</TOOLCALL>")
PHI4 = JsonLists("phi4", "<|tool_call|>", "<|/tool_call|>", ("functools[",))
COHERE = JsonLists("cohere", "<|START_ACTION|>", "<|END_ACTION|>", keys=("tool_name", "parameters"))
HUNYUAN = JsonLists("hunyuan", "<tool_calls>", "</tool_calls>")
JAMBA = JsonLists("jamba", "<tool_calls>", "</tool_calls>")
