"""Calls whose arguments stand between tags, as text: the reader. Each family is a `Style`.

A string streams as it comes; any other value is told when its tag closes. Text is taken exactly as written, without
undoing entities, because templates don't make any; just the newlines with which a style frames values are left off.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass

from workers.generation.calls.json_calls import dumps, json_call
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps, earliest, overlap
from workers.generation.calls.values import Schemas, is_text, typed

_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")


@dataclass(frozen=True)
class Style:
    """How a family spells a call and an argument. Empty texts: the family has no such thing."""

    call: str  # opens a call; its name comes next, up to `head_end`
    call_end: str
    key: str  # opens an argument; its name comes next, up to `head_end` or `key_end`
    value_end: str
    section: str = ""  # opens one or several calls
    section_end: str = ""
    head_end: str = ""  # empty: the name of the call is the next word
    key_end: str = ""  # where an argument's name is the text between two tags
    value: str = ""  # opens the value after that
    attribute: str = ""  # of `key` and `call`, that holds the name; empty: the name stands by itself
    call_attribute: str = ""
    type_attribute: str = ""  # of `key`; says whether the value is a string
    frame: str = ""  # stands around a value, no part of it
    cdata: bool = False
    whole: str = ""  # opens all arguments as one JSON object
    whole_end: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        texts = (self.section, self.section_end, self.call, self.call_end, self.key, self.key_end, self.value)
        return tuple(text for text in (*texts, self.value_end, self.head_end, self.whole, self.whole_end) if text)

    @property
    def ends(self) -> tuple[str, ...]:
        """Either may be missing."""
        return tuple(end for end in (self.call_end, self.section_end) if end)


QWEN3_CODER = Style(
    section="<tool_call>", section_end="</tool_call>", call="<function=", call_end="</function>",
    key="<parameter=", value_end="</parameter>", head_end=">", frame="\n",
)  # fmt: skip


def read_calls(reader: Reader, style: Style, mark: str) -> Steps[None]:
    """What follows a marker: calls, and what closes them. JSON in place of tags is read, too."""
    if style.section and mark != style.section:
        yield from read_call(reader, style, only_offered=True)
        yield from reader.close(*style.ends)
        return
    if (yield from reader.source.space()) == "{":
        yield from json_call(reader)
        yield from reader.close(*style.ends)
        return
    if style.section:
        yield from reader.source.expect(style.call)
    yield from read_call(reader, style)
    while (yield from reader.another(style.call)):
        yield from read_call(reader, style)
    if style.section_end:
        yield from reader.close(style.section_end)


def read_call(reader: Reader, style: Style, only_offered: bool = False) -> Steps[None]:
    """Reads one call, behind `style.call`."""
    if style.head_end:
        head = yield from _head(reader, style)
        name = _named(head, style.call_attribute or style.attribute)
    else:
        name = yield from reader.source.word()
    if only_offered and name not in reader.tools:
        raise BrokenCallError(name)
    found = yield from _tag(reader, style)
    yield from reader.begin(name)
    if style.whole and found == style.whole:
        yield from _whole(reader, style)
        return
    schemas, opening = Schemas(reader.tools.get(name)), "{"
    while found == style.key:
        key, types = yield from _key(reader, style, schemas)
        yield from reader.pass_on(f"{opening}{dumps(key)}: ")
        yield from _value(reader, style, types)
        opening = ", "
        found = yield from _tag(reader, style)
    yield from reader.pass_on("{}" if opening == "{" else "}")
    yield from reader.end()


def _head(reader: Reader, style: Style) -> Steps[str]:
    """The rest of an opening tag, which is on one line."""
    head, end = yield from reader.source.until(style.head_end, "\n")
    if end == "\n":
        raise BrokenCallError(head)
    return head


def _tag(reader: Reader, style: Style) -> Steps[str]:
    """The next tag within a call: another argument or an end."""
    yield from reader.source.space()
    found = yield from reader.source.first_of(tuple(tag for tag in (style.key, style.whole, *style.ends) if tag))
    if found is None:
        raise CutCallError("call") if reader.source.ended else BrokenCallError("call")
    return found


def _whole(reader: Reader, style: Style) -> Steps[None]:
    yield from reader.source.until(style.head_end)
    if (yield from reader.source.space()) not in ("{", ""):
        raise BrokenCallError("arguments are no object")
    yield from reader.stream(JsonStream())
    yield from reader.end()
    if (yield from reader.close(style.whole_end)):
        yield from reader.close(style.call_end)


def _key(reader: Reader, style: Style, schemas: Schemas) -> Steps[tuple[str, frozenset[str]]]:
    """An argument's name and types; the tag itself may say that it is a string."""
    if style.key_end:
        key, _ = yield from reader.source.until(style.key_end)
        yield from reader.source.space()
        yield from reader.source.expect(style.value)
        return key.strip(), schemas.types(key.strip())
    head = yield from _head(reader, style)
    key = _named(head, style.attribute)
    if not key:
        raise BrokenCallError(head)
    said = _attributes(head).get(style.type_attribute) if style.type_attribute else None
    return key, _STRING if said in ("true", "string") else schemas.types(key) if said is None else frozenset()


_STRING = frozenset({"string"})


def _value(reader: Reader, style: Style, types: frozenset[str]) -> Steps[None]:
    if is_text(types) and not style.cdata:
        yield from _string(reader, style)
        return
    text, _ = yield from reader.source.until(style.value_end)
    if style.cdata:
        text = yield from _cdata(reader, style, text)
    yield from reader.pass_on(typed(_unframed(text, style.frame), types))


def _cdata(reader: Reader, style: Style, text: str) -> Steps[str]:
    """What stands in `<![CDATA[...]]>`, even with the end tag in it; other text without white space around it."""
    if not text.lstrip().startswith(_CDATA):
        return text.strip()
    if not text.rstrip().endswith(_CDATA_END):
        more, _ = yield from reader.source.until(_CDATA_END)
        yield from reader.source.space()
        yield from reader.source.expect(style.value_end)
        text += style.value_end + more + _CDATA_END
    return text.strip()[len(_CDATA) : -len(_CDATA_END)]


def _string(reader: Reader, style: Style) -> Steps[None]:
    """Passes a string on while it comes. What may be the frame or the end tag is held back."""
    source = reader.source
    yield from reader.pass_on('"')
    if style.frame:
        yield from source.follows(style.frame)
    ends = (style.value_end, style.frame + style.value_end)
    while (found := earliest(source.rest, ends)) is None:
        rest = source.rest
        sure = len(rest) - overlap(rest, ends)
        source.skip(sure)
        yield from reader.pass_on(_escaped(rest[:sure]))
        if source.ended:
            raise CutCallError("value")
        yield None
    text = source.rest[: found[0]]
    source.skip(found[0] + len(found[1]))
    yield from reader.pass_on(_escaped(text) + '"')


def _unframed(text: str, frame: str) -> str:
    return text.removeprefix(frame).removesuffix(frame) if frame else text


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _named(head: str, attribute: str) -> str:
    if attribute:
        return _attributes(head).get(attribute, "")
    name = head.strip()
    return name[1:-1] if name[:1] in ("'", '"') and name[-1:] == name[:1] else name


def _attributes(head: str) -> dict[str, str]:
    return {
        name: html.unescape(value[1:-1] if value[0] in "\"'" else value) for name, value in _ATTRIBUTE.findall(head)
    }
