"""Spellings of Python's that JSON lacks: numbers, prefixes of strings, strings side by side, sets and groups.

Questions about text that may go on are answered with None where they can't be answered yet.
"""

from __future__ import annotations

import math
import re

_SIGNED = re.compile(r"([+-]?)(.+)", re.DOTALL)
_DIGITS = re.compile(r"[0-9]+(?:_[0-9]+)*")
_BASED = re.compile(r"0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)")
_PREFIX = re.compile(r"[rRuUfF]{1,2}(?=(.?))", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_STRING = re.compile(_QUOTED, re.DOTALL)
_STRINGS = re.compile(rf"[rRuUfF]{{0,2}}(?:{_QUOTED}\s*)+", re.DOTALL)
_WORD = re.compile(r"[\w+.\-]+\s*")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def as_number(word: str) -> str:
    """The JSON number that a word of Python's is, also one with zeros before it; empty if it is none."""
    sign, digits = _SIGNED.fullmatch(word).groups() if word else ("", "")  # type: ignore[union-attr]
    minus = "-" if sign == "-" else ""
    if _DIGITS.fullmatch(digits):
        return minus + (digits.replace("_", "").lstrip("0") or "0")
    if _BASED.fullmatch(digits):
        return minus + str(int(digits, 0))
    try:
        value = float(digits) if digits[:1] in set("0123456789.") else math.nan
    except ValueError:
        return ""
    return minus + repr(value) if math.isfinite(value) else ""


def prefix(text: str, at: int) -> int | None:
    """How many letters stand before the quote of a string; 0 also where no string begins."""
    found = _PREFIX.match(text, at)
    if found is None:
        return 0
    return None if not found[1] else len(found[0]) if found[1] in "\"'" else 0


def follows_string(text: str, at: int) -> int | None:
    """How far behind the quote before `at` its string goes on in quotes of their own; 0 if it doesn't."""
    end = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if end == len(text):
        return None
    return end - at + 1 if text[end] in "\"'" else 0


def is_set(text: str, at: int) -> bool | None:
    """Whether a brace before `at` opens a set: its first element is followed by another or the end."""
    end = _element_end(text, at)
    return None if end is None else text[end] in ",}" and bool(text[at:end].strip())


def is_group(text: str, at: int) -> bool | None:
    """Whether a parenthesis before `at` stands around one value, which makes no tuple."""
    end = _element_end(text, at)
    return None if end is None else text[end] == ")" and bool(text[at:end].strip())


def _element_end(text: str, at: int) -> int | None:
    """Where the first element ends: behind strings, a word, or all that its brackets hold."""
    start = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    if start == len(text):
        return None
    if text[start] in _BRACKETS:
        return _bracket_end(text, start)
    found = _STRINGS.match(text, start) or _WORD.match(text, start)
    end = found.end() if found else start
    return None if end == len(text) or text[end] in "\"'" else end


def _bracket_end(text: str, at: int) -> int | None:
    """The place of the first character behind a bracket's end and the space after it."""
    stack: list[str] = []
    while at < len(text):
        char = text[at]
        if char in "\"'":
            found = _STRING.match(text, at)
            if found is None:
                return None
            at = found.end() - 1
        elif char in _BRACKETS:
            stack.append(_BRACKETS[char])
        elif stack and char == stack[-1]:
            stack.pop()
            if not stack:
                end = _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
                return end if end < len(text) else None
        at += 1
    return None
