"""Apertus: `<|tools_prefix|>[{"NAME": {...}}, ...]<|tools_suffix|>`."""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import as_object, loads
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import Lark, json_arguments, json_list_body, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, Steps

_START, _END = "<|tools_prefix|>", "<|tools_suffix|>"


class Apertus:
    name = "apertus"
    markers: tuple[str, ...] = (_START, _END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_START,), _section, tools, (_END,))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        rules = zip(tools, json_arguments(lark, tools, required), strict=True)
        call = lark.one_of(
            "call_one", (f"{quote('{' + quote(t.name) + ': ')} {rule} {quote('}')}" for t, rule in rules)
        )
        lark.rule("call_section", f"{json_list_body(call, parallel)} {spell(_END)}")
        return lark.answer(_START, "call_section", required=required, repeats=False)


def _section(reader: Reader, mark: str) -> Steps[None]:
    source = reader.source
    if (yield from source.space()) == "[":
        source.skip(1)
    yield from _calls(reader)
    while (yield from reader.another(",")):
        if (yield from source.space()) == "]":
            break
        yield from _calls(reader)
    yield from reader.close("]")
    yield from reader.close(_END)


def _calls(reader: Reader) -> Steps[None]:
    """One object: a call, or several by name. The brace that closes it may be missing."""
    source = reader.source
    yield from source.space()
    yield from source.expect("{")
    yield from _call(reader)
    while (yield from reader.another(",")):
        if (yield from source.space()) != '"':
            source.rewind()
            return
        yield from _call(reader)
    yield from reader.close("}")


def _call(reader: Reader) -> Steps[None]:
    source = reader.source
    yield from source.space()
    name = loads((yield from reader.collect()))
    if not isinstance(name, str):
        raise BrokenCallError("no name")
    yield from source.space()
    yield from source.expect(":")
    if (yield from source.space()) == "{":
        yield from reader.begin(name)
        yield from reader.stream(JsonStream())
    else:
        arguments = as_object((yield from reader.collect()))
        yield from reader.begin(name)
        yield from reader.pass_on(arguments)
    yield from reader.end()
