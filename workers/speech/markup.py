"""Marks of HTML, SSML and Markdown, which nobody says, taken out of a text; what only looks like them stays."""

from __future__ import annotations

import html
import re

# HTML's elements that people write into texts, and SSML's.
_NAMES = (
    "a abbr article b blockquote body br code dd del details div dl dt em figure footer h1 h2 h3 h4 h5 h6 head header "
    "hr html i img ins kbd li main mark nav ol p pre q s samp section small span strong sub summary sup table tbody "
    "td tfoot th thead title tr u ul var "
    "speak voice prosody break say-as phoneme emphasis amazon:effect mstts:express-as lang audio par seq"
)
_ELEMENTS = frozenset(_NAMES.split())
_VOID = frozenset(("br", "hr", "img", "break", "audio"))
_ATTRIBUTE = r"""\s+[\w:-]{1,40}\s?=\s?(?:"[^"<>]{0,200}"|'[^'<>]{0,200}'|[^\s"'<>=]{1,100})"""
_TAG = re.compile(rf"<(/?)([A-Za-z][\w:-]{{0,20}})((?:{_ATTRIBUTE}){{0,12}})\s?(/?)>")
_COMMENT = re.compile(r"<!--[^<>]{0,2000}-->")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,10}|#\d{1,7}|#x[\dA-Fa-f]{1,6});")
_LINK = re.compile(r"!?\[([^\[\]\n]{1,300})\]\((?:https?:|mailto:|#|\.{0,2}/(?![^()\n]*/\)))[^()\s]*\)")

_LINE_STARTS = re.compile(
    r"^[ \t]*(?:#{1,6}(?=[ \t])|(?:>[ \t]?)+|[-+*•](?=[ \t])(?:[ \t]+\[[ xX]\](?=[ \t]))?)[ \t]*", re.MULTILINE
)
_RULES = re.compile(r"^[ \t]*(?:[-*_=|:][ \t]?){3,200}$", re.MULTILINE)
_FENCES = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*_])[*_]{1,3}(?=[^\s*_])|(?<=[^\s*_])[*_]{1,3}(?![\w*_])")
_ESCAPES = re.compile(r"\\(?=[*_`#|~])")
_CELLS = re.compile(r"[ \t]*(?<!\|)\|(?!\|)[ \t]*")
_DASHES = re.compile(r"(?<=\S)[ \t]?-{2,}[ \t](?=\S)|(?<=\w)-{2,}(?=\w)")


def strip_markup(text: str) -> str:
    """Tags of known elements, links' addresses and Markdown's marks go; a comparison such as `a<b` stays."""
    text = _ENTITY.sub(lambda match: html.unescape(match[0]), _tags(_LINK.sub(r"\1", _COMMENT.sub(" ", text))))
    text = _RULES.sub("", _FENCES.sub("", text))
    text = _EMPHASIS.sub("", _ESCAPES.sub("", _LINE_STARTS.sub("", text)))
    text = "\n".join(map(_row, text.split("\n"))) if "|" in text else text
    return _DASHES.sub(" — ", text.replace("`", "").replace("~~", ""))


def _tags(text: str) -> str:
    """An opening tag counts where it is void, has attributes or is closed somewhere: `a <b> c` may be sums."""
    found = list(_TAG.finditer(text))
    closed = {match[2].lower() for match in found if match[1]}
    opened = {match[2].lower() for match in found if not match[1]}

    def said(match: re.Match[str]) -> str:
        name = match[2].lower()
        if name not in _ELEMENTS:
            return match[0]
        paired = name in (opened if match[1] else closed)
        return " " if paired or match[3] or match[4] or name in _VOID else match[0]

    return _TAG.sub(said, text)


def _row(line: str) -> str:
    """A table's row as its cells, with pauses between them."""
    stripped = line.strip()
    if stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1:
        return _CELLS.sub(", ", stripped[1:-1].strip())
    return line
