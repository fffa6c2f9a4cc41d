"""Llama 3 and 4 with JSON calls: `{"name": ..., "parameters": {...}}`, several separated by `;`.

With `<|python_tag|>` before it, it is always a call, also as `NAME.call(key=...)`, which built-in tools are taught;
without a marker only at the start of a line, with an offered name and with arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import JsonCall
from workers.generation.calls.lark import TEXT, Lark, json_calls, quote
from workers.generation.calls.pythonic import python_call
from workers.generation.calls.reader import BareReader, Reader
from workers.generation.calls.source import Steps

_TAG, _START, _END = "<|python_tag|>", "<|python_start|>", "<|python_end|>"


class LlamaJson:
    name = "llama3_json"
    markers: tuple[str, ...] = (_TAG, _START, _END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return BareReader((_TAG, _START), "{", _section, tools, (_END,))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        """Without a marker an answer is a call from its first brace on, so text must not begin with one."""
        lark = Lark(spell)
        call = json_calls(lark, tools, required, key="parameters")
        again = f" ({quote('; ')} {call})*" if parallel else ""
        calls = lark.rule("call_list", f"{call}{again}")
        if required:
            lark.rule("answer", calls)
            return str(lark)
        lark.rule("call_text", r"/[^{\s]/ " + TEXT)
        lark.rule("answer", f'"" | call_text | {calls}')
        return str(lark)


def _section(reader: Reader, mark: str) -> Steps[None]:
    if mark == _TAG and (yield from reader.source.space()) != "{":
        yield from python_call(reader, offered_only=True, method=".call")
        return
    if mark == "{":
        yield from JsonCall(reader, offered=reader.tools).read(opened=True)
    else:
        yield from JsonCall(reader).read()
    while (yield from reader.another(";")):
        yield from JsonCall(reader, offered=reader.tools if mark == "{" else None).read()
    yield from reader.close(_END)
