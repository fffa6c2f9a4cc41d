"""Calls whose arguments stand between tags, as text: the reader. Each family is a `Style`.

Slips that have one reading are put right: text between arguments is passed over, an argument that is given again counts
once, and a call that isn't closed ends where the next one begins.
"""

from __future__ import annotations

from workers.generation.calls.json_calls import dumps, json_call
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.reader import Reader
from workers.generation.calls.schemas import Schemas
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps, earliest
from workers.generation.calls.tag_style import Style, attributes, named
from workers.generation.calls.tag_values import read_value

QWEN3_CODER = Style(
    section="<tool_call>", section_end="</tool_call>", call="<function=", call_end="</function>",
    key="<parameter=", value_end="</parameter>", head_end=">", frame="\n",
)  # fmt: skip


def read_calls(reader: Reader, style: Style, mark: str) -> Steps[None]:
    """What follows a marker: calls, and what closes them. JSON in place of tags is read, too."""
    if style.section and mark != style.section:
        yield from read_call(reader, style, only_offered=not style.alone)
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
        name = named(head, style.call_attribute or style.attribute)
    else:
        name = yield from reader.source.word()
    if only_offered and name not in reader.tools:
        raise BrokenCallError(name)
    found = yield from _tag(reader, style)
    yield from reader.begin(name)
    if style.whole and found == style.whole:
        yield from _whole(reader, style)
        return
    schemas, given, opening = Schemas(reader.tools.get(name)), set[str](), "{"
    while found == style.key:
        key, types = yield from _key(reader, style, schemas)
        if key not in given:
            yield from reader.pass_on(f"{opening}{dumps(key)}: ")
        yield from read_value(reader, style, types, schemas.properties.keys() - given - {key}, tell=key not in given)
        given, opening = given | {key}, ", "
        found = yield from _next_tag(reader, style)
    yield from reader.pass_on("{}" if opening == "{" else "}")
    yield from reader.end()


def _head(reader: Reader, style: Style) -> Steps[str]:
    """The rest of an opening tag, which is on one line."""
    head, end = yield from reader.source.until(style.head_end, "\n")
    if end == "\n":
        raise BrokenCallError(head)
    return head


def _tag(reader: Reader, style: Style) -> Steps[str]:
    """The first tag within a call: an argument or an end."""
    yield from reader.source.space()
    found = yield from reader.source.first_of(tuple(tag for tag in (style.key, style.whole, *style.ends) if tag))
    if found is None:
        raise CutCallError("call") if reader.source.ended else BrokenCallError("call")
    return found


def _next_tag(reader: Reader, style: Style) -> Steps[str]:
    """The tag after an argument: another one or an end, which is left out if the next call begins."""
    source = reader.source
    tags = (style.key, *style.ends, *style.openers)
    while (found := earliest(source.rest, tags)) is None:
        if source.ended:
            raise CutCallError("call")
        yield None
    source.skip(found[0])
    tag = (yield from source.first_of(tags)) or found[1]
    if tag in style.openers:
        source.skip(-len(tag))
    return tag


def _whole(reader: Reader, style: Style) -> Steps[None]:
    yield from reader.source.until(style.head_end)
    if (yield from reader.source.space()) not in ("{", ""):
        raise BrokenCallError("arguments are no object")
    yield from reader.stream(JsonStream())
    yield from reader.end()
    if (yield from reader.close(style.whole_end)):
        yield from reader.close(style.call_end)


def _key(reader: Reader, style: Style, schemas: Schemas) -> Steps[tuple[str, frozenset[str]]]:
    """An argument's name and types. The tag may say whether it is a string, but the schema decides."""
    if style.key_end:
        key, _ = yield from reader.source.until(style.key_end)
        yield from reader.source.space()
        yield from reader.source.expect(style.value)
        return key.strip(), schemas.types(key.strip())
    head = yield from _head(reader, style)
    key = named(head, style.attribute)
    if not key:
        raise BrokenCallError(head)
    types = schemas.types(key)
    said = attributes(head).get(style.type_attribute) if style.type_attribute else None
    if said in ("true", "string"):
        return key, types if types and "string" not in types else _STRING
    return key, types | _JSON if said and types else types


_STRING = frozenset({"string"})
_JSON = frozenset({"json"})  # beside the schema's types: a string, too, is written as JSON
