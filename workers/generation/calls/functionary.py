"""Functionary 3: `>>>NAME` and JSON on the next line (the prompt has written the first `>>>`), `>>>all` before text.

Its Llama 3.1 edition and Meta's own prompt for custom tools write `<function=NAME>{...}</function>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import NEWLINE, TEXT, Lark, json_arguments, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, Steps

_ARROWS, _TAG, _TAG_END = ">>>", "<function=", "</function>"


@dataclass(frozen=True)
class Functionary:
    tags: bool = False  # which of the two forms the grammar writes; both are read
    name: str = "functionary"
    markers: tuple[str, ...] = (_ARROWS, _TAG, _TAG_END)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_TAG,), _section, tools, (_TAG_END,)) if self.tags else _ArrowReader(tools)

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        rules = list(zip(tools, json_arguments(lark, tools, required), strict=True))
        if self.tags:
            lark.one_of("call_section", (f"{quote(t.name + '>')} {rule} {spell(_TAG_END)}" for t, rule in rules))
            return lark.answer(_TAG, "call_section", required=required, repeats=parallel)
        call = lark.one_of("call_one", (f"{quote(t.name)} {NEWLINE} {rule}" for t, rule in rules))
        again = f" ({NEWLINE} {quote(_ARROWS)} {call})*" if parallel else ""
        calls = lark.rule("call_list", f"{call}{again}")
        if required:
            lark.rule("answer", calls)
            return str(lark)
        head = lark.until("call_head", "\n" + _ARROWS)
        lark.rule("call_text", TEXT)
        lark.rule("answer", f"{calls} | {quote('all')} {NEWLINE} (call_text | {head} {calls})")
        return str(lark)


class _ArrowReader(Reader):
    """The answer begins after a `>>>` of the prompt's: with a tool's name, or with `all`."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__((_ARROWS, _TAG), _section, tools, (_TAG_END,))

    def answer(self) -> Steps[None]:
        name = yield from self.source.word()
        line = (yield from self.source.peek()) == "\n"
        if line and name == "all":
            self.source.skip(1)
            self.source.commit()
        self.source.rewind()
        if line and name in self.tools:
            yield from self.attempt("")
        yield from super().answer()


def _section(reader: Reader, mark: str) -> Steps[None]:
    source = reader.source
    name = yield from source.word()
    if mark == _TAG:
        yield from source.expect(">")
    elif name == "all":
        yield from source.space()
        return
    elif (yield from source.peek()) not in ("\n", "{"):
        raise BrokenCallError(name)
    if (yield from source.space()) != "{":
        raise BrokenCallError("no arguments")
    yield from reader.begin(name)
    yield from reader.stream(JsonStream())
    yield from reader.end()
    if mark == _TAG:
        yield from reader.close(_TAG_END)
