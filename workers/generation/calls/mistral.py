"""Mistral: `[TOOL_CALLS]` and a JSON list, or, since version 11 of the tokenizer, `name[ARGS]{...}` for each call.

Some write `[CALL_ID]` and an id between the name and `[ARGS]`; nothing closes a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import json_list
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import Lark, json_arguments, json_calls, json_list_body, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, Steps

_START, _ARGS, _ID = "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"


@dataclass(frozen=True)
class Mistral:
    headers: bool = False  # which of the two forms the grammar writes; both are read
    name: str = "mistral"
    markers: tuple[str, ...] = (_START, _ARGS, _ID)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_START,), _section, tools)

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        if self.headers:
            arguments = json_arguments(lark, tools, required)
            lark.one_of(
                "call_section",
                (f"{quote(t.name)} {spell(_ARGS)} {rule}" for t, rule in zip(tools, arguments, strict=True)),
            )
        else:
            lark.rule("call_section", json_list_body(json_calls(lark, tools, required), parallel))
        return lark.answer(_START, "call_section", required=required, repeats=parallel and self.headers)


def _section(reader: Reader, mark: str) -> Steps[None]:
    if (yield from reader.source.space()) in ("[", "{"):
        yield from json_list(reader)
        return
    yield from _header(reader)
    while (yield from _another(reader)):
        yield from _header(reader)


def _header(reader: Reader) -> Steps[None]:
    """`name[ARGS]{...}`, `name[CALL_ID]id[ARGS]{...}` or `name{...}`."""
    name = yield from reader.source.word()
    yield from reader.source.space()
    call_id = None
    if (yield from reader.source.follows(_ID)):
        call_id = yield from reader.source.word()
    if not (yield from reader.source.follows(_ARGS)) and (yield from reader.source.peek()) != "{":
        raise BrokenCallError(name)
    if (yield from reader.source.space()) not in ("{", ""):
        raise BrokenCallError("arguments are no object")
    yield from reader.begin(name, call_id)
    yield from reader.stream(JsonStream())
    yield from reader.end()


def _another(reader: Reader) -> Steps[bool]:
    """Whether another header follows without a marker of its own; nothing is taken."""
    yield from reader.source.space()
    name = yield from reader.source.word()
    found = bool(name) and (yield from reader.source.first_of((_ARGS, _ID))) is not None
    reader.source.rewind()
    if found:
        yield from reader.source.space()
    return found
