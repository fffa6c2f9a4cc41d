"""How a family spells calls whose arguments stand between tags."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

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
    alone: bool = False  # `call` stands in no other text, so the section's opening may be missing
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
    def openers(self) -> tuple[str, ...]:
        """Of calls and sections."""
        return tuple(text for text in (self.section, self.call) if text)

    @property
    def ends(self) -> tuple[str, ...]:
        """Either may be missing."""
        return tuple(end for end in (self.call_end, self.section_end) if end)


def named(head: str, attribute: str) -> str:
    """The name in the rest of an opening tag."""
    if attribute:
        return attributes(head).get(attribute, "")
    name = head.strip()
    return name[1:-1] if name[:1] in ("'", '"') and name[-1:] == name[:1] else name


def attributes(head: str) -> dict[str, str]:
    return {
        name: html.unescape(value[1:-1] if value[0] in "\"'" else value) for name, value in _ATTRIBUTE.findall(head)
    }
