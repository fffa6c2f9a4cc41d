"""`[f(a=1, b="x"), g()]`: Llama 4 and others in Python's syntax; LFM 2 between markers, OLMo 3 a call a line.

Without a marker it is a call only at the start of a line and with an offered name. Arguments have names; a call with
positions instead is text, and so is one with expressions, which nobody evaluates. Between markers JSON is read, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import dumps, json_list
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import TEXT, Lark, quote
from workers.generation.calls.properties import Argument, arguments_of
from workers.generation.calls.reader import BareReader, Reader
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps

_PAIRS = {
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<|python_start|>": "<|python_end|>",
    "<function_calls>": "</function_calls>",
}


@dataclass(frozen=True)
class Pythonic:
    """`start` is what the grammar writes; all are read."""

    start: str = ""
    name: str = "pythonic"
    markers: tuple[str, ...] = (*_PAIRS, *_PAIRS.values())

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return BareReader(tuple(_PAIRS), "[", _section, tools, tuple(_PAIRS.values()))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        call = lark.one_of("call_one", (_call_rule(lark, at, t, required) for at, t in enumerate(tools)))
        again = f" ({quote(', ')} {call})*" if parallel else ""
        calls = f"{quote('[')} {call}{again} {quote(']')}"
        if self.start:
            lark.rule("call_section", f"{calls} {spell(_PAIRS[self.start])}")
            return lark.answer(self.start, "call_section", required=required, repeats=False)
        if required:
            lark.rule("answer", calls)
            return str(lark)
        lark.rule("call_text", r"/[^\[\s]/ " + TEXT)
        lark.rule("answer", f'"" | call_text | {calls}')
        return str(lark)


def _call_rule(lark: Lark, at: int, tool: Tool, required: bool) -> str:
    """JSON values are what `tojson` writes in the template's examples, and the reader takes JSON's constants."""

    def written(argument: Argument) -> str:
        return f"{quote(argument.word + '=')} {argument.json_rule(lark)}"

    listed = arguments_of(lark, at, tool, written, separator=", ", valid=required or tool.strict)
    return f"{quote(tool.name + '(')} {listed} {quote(')')}"


def _section(reader: Reader, mark: str) -> Steps[None]:
    """Calls, and between markers their echo: LFM 2 may write all behind the first marker again."""
    if mark not in _PAIRS:
        yield from _calls(reader, mark)
        return
    reader.source.record()
    yield from _calls(reader, mark)
    body = reader.source.recorded().partition(mark)[2]
    if body.endswith(_PAIRS[mark]):
        yield from reader.source.follows(body)


def _calls(reader: Reader, mark: str) -> Steps[None]:
    source = reader.source
    bracket = mark == "["
    if not bracket and (yield from source.space()) == "[":
        source.skip(1)
        bracket = True
    offered_only = mark == "["
    if not offered_only and (yield from source.space()) == "{":
        yield from json_list(reader, opened=bracket)
        yield from reader.close(_PAIRS[mark])
        return
    yield from python_call(reader, offered_only)
    while (yield from _separated(reader, bracket)):
        yield from python_call(reader, offered_only)
    if bracket:
        yield from reader.close("]")
    if mark in _PAIRS:
        yield from reader.close(_PAIRS[mark])


def _separated(reader: Reader, bracket: bool) -> Steps[bool]:
    """Whether another call follows: after a comma, or without brackets on a line of its own."""
    if bracket:
        if not (yield from reader.another(",")):
            return False
        return (yield from reader.source.space()) != "]"
    reader.source.commit()
    char = yield from reader.source.space()
    if char and (char.isalpha() or char == "_"):
        return True
    reader.source.rewind()
    return False


def python_call(reader: Reader, offered_only: bool, method: str = "") -> Steps[None]:
    """`NAME(key=value, ...)`; `method` may follow the name, no part of it."""
    source = reader.source
    yield from source.space()
    name = (yield from source.word()).removesuffix(method)
    if offered_only and name not in reader.tools:
        raise BrokenCallError(name)
    yield from python_arguments(reader, name)


def python_arguments(reader: Reader, name: str) -> Steps[None]:
    """`(key=value, ...)`, told once it is whole or cut, because what only looks like Python is text."""
    source = reader.source
    yield from source.expect("(")
    members: dict[str, str] = {}
    try:
        while (yield from source.space()) != ")":
            yield from _keyword(reader, members)
    except CutCallError:
        if members:
            yield from reader.begin(name)
            yield from reader.pass_on(_object(members))
        raise
    source.skip(1)
    yield from reader.begin(name)
    yield from reader.pass_on(_object(members) + "}")
    yield from reader.end()


def _keyword(reader: Reader, members: dict[str, str]) -> Steps[None]:
    """Adds `key=value` and takes the comma behind it; of a key that comes again the first value counts."""
    source, parts = reader.source, list[str]()
    before = source.position
    key = yield from source.word()
    yield from source.space()
    try:
        yield from source.expect("=")
        if not key:
            raise BrokenCallError("position")
        yield from source.space()
        yield from reader.collect(JsonStream(python=True), parts)
    except CutCallError:
        if not any(parts):
            source.skip(before - source.position)
            raise
        members.setdefault(key, "".join(parts))
        raise
    members.setdefault(key, "".join(parts).strip())
    if (yield from source.space()) != ")":
        yield from source.expect(",")


def _object(members: dict[str, str]) -> str:
    """An object of JSON values that is not closed yet."""
    return "{" + ", ".join(f"{dumps(key)}: {value}" for key, value in members.items())
