"""The values between tags, as text.

A string streams as it comes; any other value is told when its tag closes. Text is taken exactly as written, without
undoing entities, because templates don't make any; just the newlines with which a style frames values are left off.

A value that isn't closed ends at the next argument, if that begins a line and the tool knows its name, and where the
call does: before tags that end it and are followed by others that do, by another call or by nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from workers.generation.calls.reader import Reader
from workers.generation.calls.source import CutCallError, Steps, earliest, overlap
from workers.generation.calls.tag_style import Style, named
from workers.generation.calls.values import is_text, typed

_CDATA, _CDATA_END = "<![CDATA[", "]]>"


def read_value(
    reader: Reader, style: Style, types: frozenset[str], others: Collection[str], *, tell: bool
) -> Steps[None]:
    """Reads one, behind its tag, and the tag that closes it. `others`: names of arguments that may follow."""
    if tell and is_text(types) and not style.cdata:
        yield from reader.pass_on('"')
        yield from reader.source.follows(style.frame)
        yield from _until_end(reader, style, others, lambda text: reader.pass_on(_escaped(text)))
        yield from reader.pass_on('"')
        return
    text = yield from (_cdata if style.cdata else _collected)(reader, style, others)
    if tell:
        yield from reader.pass_on(typed(text.removeprefix(style.frame), types))


def _collected(reader: Reader, style: Style, others: Collection[str]) -> Steps[str]:
    parts: list[str] = []

    def keep(text: str) -> Steps[None]:
        parts.append(text)
        yield from ()

    yield from _until_end(reader, style, others, keep)
    return "".join(parts)


def _cdata(reader: Reader, style: Style, others: Collection[str]) -> Steps[str]:
    """What stands in `<![CDATA[...]]>`, even with the end tag in it; other text without white space around it."""
    source = reader.source
    yield from source.space()
    if not (yield from source.follows(_CDATA)):
        return (yield from _collected(reader, style, others)).strip()
    text, _ = yield from source.until(_CDATA_END)
    while (after := (yield from _collected(reader, style, others))).strip():
        more, _ = yield from source.until(_CDATA_END)
        text += _CDATA_END + after + style.value_end + more
    return text


def _until_end(
    reader: Reader, style: Style, others: Collection[str], tell: Callable[[str], Steps[None]]
) -> Steps[None]:
    """Gives the text on while it comes. What may be the frame or a tag is held back."""
    source = reader.source
    ends = (style.value_end, style.frame + style.value_end)
    maybe = (*style.ends, *("\n" + tag for tag in (style.key, *style.ends)))
    while True:
        rest = source.rest
        found = earliest(rest, (*ends, *maybe))
        sure = found[0] if found else len(rest) - overlap(rest, (*ends, *maybe))
        source.skip(sure)
        yield from tell(rest[:sure])
        if found is None:
            if source.ended:
                raise CutCallError("value")
            yield None
        elif found[1] in ends:
            source.skip(len(found[1]))
            return
        elif (yield from _unclosed(reader, style, found[1], others)):
            source.skip(found[1].startswith("\n"))
            return
        else:
            source.skip(len(found[1]))
            yield from tell(found[1])


def _unclosed(reader: Reader, style: Style, tag: str, others: Collection[str]) -> Steps[bool]:
    """Whether a value ends before a tag although nothing closes it; nothing is taken."""
    source = reader.source
    before = source.position
    source.skip(len(tag))
    found = yield from _names(reader, style, others) if tag.endswith(style.key) else _closes(reader, style)
    source.skip(before - source.position)
    return found


def _names(reader: Reader, style: Style, others: Collection[str]) -> Steps[bool]:
    """Whether the tag that was opened is complete and names one of some arguments."""
    source, end = reader.source, style.key_end or style.head_end
    while True:
        line, newline, _ = source.rest.partition("\n")
        head, closed, _ = line.partition(end)
        if closed:
            return named(head, style.attribute).strip() in others
        if newline or source.ended:
            return False
        yield None


def _closes(reader: Reader, style: Style) -> Steps[bool]:
    """Whether what follows a tag that ends a call ends it, too."""
    source = reader.source
    several = False
    while (yield from source.space()):
        if (yield from source.first_of(style.openers)):
            return True
        if (yield from source.first_of(style.ends)) is None:
            return several
        several = True
    return True


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
