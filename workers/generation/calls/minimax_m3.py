"""MiniMax M3: elements named like the arguments, nested like their values, with a token before every tag.

`]<]minimax[>[<invoke name="f">]<]minimax[>[<city>Paris]<]minimax[>[</city>]<]minimax[>[</invoke>`. A list's elements
are called `item`; JSON in place of elements is read, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.elements import Element, as_value
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_calls import dumps
from workers.generation.calls.lark import Lark, quote
from workers.generation.calls.properties import Argument, arguments_of
from workers.generation.calls.reader import Reader
from workers.generation.calls.schemas import Schemas
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps, earliest, overlap
from workers.generation.calls.tag_style import attributes
from workers.generation.calls.values import is_text

_NS = "]<]minimax[>["
_CALLS, _CALLS_END = f"{_NS}<tool_call>", f"{_NS}</tool_call>"
_CALL, _CALL_END = f"{_NS}<invoke", f"{_NS}</invoke>"
_DEPTH = 64


class MiniMaxM3:
    name = "minimax_m3"
    markers: tuple[str, ...] = (_NS, "<tool_call>", "</tool_call>")

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_CALLS, _CALL), _section, tools, (_CALLS_END, _CALL_END))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        """Lists and objects within arguments are written as JSON."""
        lark = Lark(spell)

        def written(argument: Argument) -> str:
            head, end = lark.spelled(f"{_NS}<{argument.word}>"), f"{_NS}</{argument.word}>"
            if argument.as_text or not argument.valid:
                return f"{head} {argument.text_rule(lark, end)}"
            return f"{head} {argument.json_rule(lark)} {lark.spelled(end)}"

        calls = []
        for at, tool in enumerate(tools):
            listed = arguments_of(lark, at, tool, written, separator="", valid=required or tool.strict)
            head = lark.spelled(f'{_CALL} name="{tool.name}">')
            calls.append(f"{head} {listed} {lark.spelled(_CALL_END)} {quote(chr(10))}")
        call = lark.one_of("call_one", calls)
        again = "+" if parallel else ""
        lark.rule("call_section", f"{quote(chr(10))} {call}{again} {lark.spelled(_CALLS_END)}")
        return lark.answer(_CALLS, "call_section", required=required, repeats=False)


def _section(reader: Reader, mark: str) -> Steps[None]:
    if mark == _CALLS:
        yield from reader.source.space()
        yield from reader.source.expect(_CALL)
    yield from _call(reader)
    while (yield from reader.another(_CALL)):
        yield from _call(reader)
    yield from reader.close(_CALLS_END)


def _call(reader: Reader) -> Steps[None]:
    """One call, behind what opens it. Text between elements is passed over; the end may be missing before another."""
    source = reader.source
    head, end = yield from source.until(">", "\n")
    name = attributes(head).get("name", "")
    if end == "\n":
        raise BrokenCallError(head)
    yield from reader.begin(name)
    schemas, given = Schemas(reader.tools.get(name)), set[str]()
    while True:
        yield from source.until(_NS)
        tag = yield from source.first_of(("</invoke>", "</tool_call>", "<invoke", "</", "<"))
        if tag == "<":
            key, _ = yield from source.until(">")
            yield from _argument(reader, key, schemas, given)
            given.add(key)
        elif tag not in ("</", None):
            break
    if tag != "</invoke>":
        source.skip(-len(f"{_NS}{tag}"))
    yield from reader.pass_on("}" if given else "{}")
    yield from reader.end()


def _argument(reader: Reader, key: str, schemas: Schemas, given: set[str]) -> Steps[None]:
    """An argument that is given again counts once."""
    schema = schemas.properties.get(key)
    if key not in given:
        yield from reader.pass_on(f"{', ' if given else '{'}{dumps(key)}: ")
    if key not in given and is_text(schemas.types(key)):
        yield from _string(reader, key)
        return
    element = yield from _element(reader, key, 0)
    if key not in given:
        yield from reader.pass_on(dumps(as_value(element, schema, schemas)))


def _string(reader: Reader, key: str) -> Steps[None]:
    """Passes a string on while it comes, whatever it contains. Its end may be missing before the call's."""
    source, close = reader.source, f"</{key}>"
    stops = (_NS + close, close + _NS, _CALL_END)
    yield from reader.pass_on('"')
    while True:
        rest = source.rest
        found = earliest(rest, stops)
        sure = found[0] if found else len(rest) - overlap(rest, stops)
        source.skip(sure)
        yield from reader.pass_on(json.dumps(rest[:sure], ensure_ascii=False)[1:-1])
        if found:
            source.skip(0 if found[1] == _CALL_END else len(_NS + close) if found[1] == stops[0] else len(close))
            break
        if source.ended:
            raise CutCallError(key)
        yield None
    yield from reader.pass_on('"')


def _element(reader: Reader, name: str, depth: int) -> Steps[Element]:
    """What stands up to an element's end, which may lack its token, or be missing where the one around it ends."""
    if depth > _DEPTH:
        raise BrokenCallError("depth")
    source, close = reader.source, f"</{name}>"
    texts: list[str] = []
    inner: list[tuple[str, Element]] = []
    while True:
        text, _ = yield from source.until(_NS)
        texts.append(text.removesuffix(close))
        tag = None if text.endswith(close) else (yield from source.first_of((close, "</", "<")))
        if tag == "<":
            child, _ = yield from source.until(">")
            inner.append((child, (yield from _element(reader, child, depth + 1))))
            continue
        if tag != close:
            source.skip(-len(f"{_NS}{tag or ''}"))
        return Element("".join(texts), tuple(inner))
