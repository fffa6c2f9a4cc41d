"""Kimi K2: `functions.NAME:0`, which is also the call's id, and JSON arguments, between tokens of its own."""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import Lark, json_arguments, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps

_CALLS, _CALLS_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_CALL, _ARGUMENTS, _CALL_END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"


class KimiK2:
    name = "kimi_k2"
    markers: tuple[str, ...] = (_CALLS, _CALLS_END, _CALL, _ARGUMENTS, _CALL_END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_CALLS, _CALL), _section, tools, (_CALL_END, _CALLS_END))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        begin, middle, end = spell(_CALL), f"/[0-9]{{1,3}}/ {spell(_ARGUMENTS)}", spell(_CALL_END)
        rules = json_arguments(lark, tools, required)
        call = lark.one_of(
            "call_one",
            (
                f"{begin} {quote(f'functions.{t.name}:')} {middle} {rule} {end}"
                for t, rule in zip(tools, rules, strict=True)
            ),
        )
        lark.rule("call_section", f"{call}{'+' if parallel else ''} {spell(_CALLS_END)}")
        return lark.answer(_CALLS, "call_section", required=required, repeats=False)


def _section(reader: Reader, mark: str) -> Steps[None]:
    if mark == _CALLS:
        yield from reader.source.first_call(_CALL, _CALLS_END)
    yield from _call(reader)
    while (yield from reader.another(_CALL)):
        yield from _call(reader)
    yield from reader.close(_CALLS_END)


def _call(reader: Reader) -> Steps[None]:
    source = reader.source
    yield from source.space()
    call_id = yield from source.word()
    yield from source.space()
    if not (yield from source.follows(_ARGUMENTS)) and (yield from source.peek()) != "{":
        raise CutCallError(call_id) if source.ended and _ARGUMENTS.startswith(source.rest) else BrokenCallError(call_id)
    name = call_id.removeprefix("functions.")
    stem, _, number = name.rpartition(":")
    if (yield from source.space()) not in ("{", ""):
        raise BrokenCallError("arguments are no object")
    if number.isdigit() and stem:
        yield from reader.begin(stem, call_id)
    else:
        yield from reader.begin(name)
    yield from reader.stream(JsonStream())
    yield from reader.end()
    yield from reader.close(_CALL_END)
