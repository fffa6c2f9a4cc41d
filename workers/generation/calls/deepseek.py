"""DeepSeek V3 and R1 (`function<sep>name` and JSON in a code fence), V3.1 (`name<sep>{...}`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import NEWLINE, Lark, json_arguments, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, Steps

_CALLS, _CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _SEP, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_FENCE = "```"


@dataclass(frozen=True)
class DeepSeek:
    fenced: bool = True  # which of the two forms the grammar writes; both are read
    name: str = "deepseek_v3"
    markers: tuple[str, ...] = (_CALLS, _CALLS_END, _CALL, _SEP, _CALL_END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_CALLS, _CALL), _section, tools, (_CALL_END, _CALLS_END))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        start, sep, end = spell(_CALL), spell(_SEP), spell(_CALL_END)
        rules = zip(tools, json_arguments(lark, tools, required), strict=True)
        if self.fenced:
            head, fence, tail = f"{start} {quote('function')} {sep}", f"\n{_FENCE}json\n", quote(f"\n{_FENCE}")
            bodies = [f"{head} {quote(t.name + fence)} {rule} {tail} {end}" for t, rule in rules]
        else:
            bodies = [f"{start} {quote(t.name)} {sep} {rule} {end}" for t, rule in rules]
        call = lark.one_of("call_one", bodies)
        between = f"{NEWLINE} " if self.fenced else ""
        again = f" ({between}{call})*" if parallel else ""
        lark.rule("call_section", f"{call}{again} {spell(_CALLS_END)}")
        return lark.answer(_CALLS, "call_section", required=required, repeats=False)


def _section(reader: Reader, mark: str) -> Steps[None]:
    source = reader.source
    if mark == _CALLS:
        yield from source.first_call(_CALL, _CALLS_END)
    yield from _call(reader)
    while (yield from reader.another(_CALL)):
        yield from _call(reader)
    yield from reader.close(_CALLS_END)


def _call(reader: Reader) -> Steps[None]:
    source = reader.source
    yield from source.space()
    name = yield from source.word()
    yield from source.space()
    yield from source.expect(_SEP)
    fenced = (yield from source.space()) != "{"
    if fenced:
        name = yield from source.word()
        yield from source.space()
        fenced = yield from source.follows(_FENCE)
        if fenced:
            yield from source.follows("json")
        if (yield from source.space()) != "{":
            raise BrokenCallError("no arguments")
    yield from reader.begin(name)
    yield from reader.stream(JsonStream())
    yield from reader.end()
    if fenced:
        yield from reader.close(_FENCE)
    yield from reader.close(_CALL_END)
