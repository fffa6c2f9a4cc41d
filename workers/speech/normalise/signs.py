"""Amounts, units, fractions, ranges, phone numbers and signs from a language's table.

Plain numbers stay digits: the phonemisers of these languages (espeak-ng, misaki) read them, with their own marks.
"""

from __future__ import annotations

import re
from functools import cache

from workers.speech.normalise.shapes import LATIN, NUMBER, join_thousands, speak_ranges, spell_phones
from workers.speech.normalise.words import Noun, Words

_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8"}
_VULGAR_RE = re.compile(rf"(?:(\d{{1,9}})\s?)?([{''.join(_VULGAR)}])")
_FRACTION = re.compile(rf"(?<![{LATIN}\d_/.,-])(?:(\d{{1,6}}) )?(\d{{1,3}})/(\d{{1,3}})(?![{LATIN}\d_/]|[.,]\d)")
_ADDRESS = re.compile(r"\b(https?|ftp)://")
_NUMBER_SIGN = re.compile(r"№\s?(?=\d)|\b[Nn](?:\.?[º°]|\.)\s?(?=\d)")
_CLOCK = re.compile(r"(?<![\w.,])(\d{1,2})h([0-5]\d)\b")
_ORDINAL = re.compile(r"(?<=\d)\.(?=[ºª])")
_DATE = re.compile(
    r"(?<![\w/.-])(?:(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|(?<=/)\d\d)|(\d{4})-(\d{2})-(\d{2}))(?![\w/-]|[.,]\d)"
)
_NEGATIVE = re.compile(r"(?<![\w.,/)+-])[-−](?=[\d$€£¥])")
_SUBTRACTION = re.compile(r"(?<=\d) [-−] (?=\d)")
_TIMES = re.compile(r"(?<=\d)\s?[xX×]\s?(?=\d)")
_JOINED = re.compile(r"(?<=\w)_+(?=\w)")


def speak_signs(text: str, words: Words) -> str:
    """`text` with every sign in words; time is linear in its length."""
    text = _numbered(_ADDRESS.sub(r"\1 ", join_thousands(text, words.grouped)), words)
    text = _dates(text.replace("℃", "°C").replace("℉", "°F").replace("→", ", ").replace("⇒", ", "), words)
    text = speak_ranges(spell_phones(text, " ".join, words.plus), words.to, words.between, words.both)
    text = _fractions(text, words)
    text = _NEGATIVE.sub(f"{words.minus} ", _SUBTRACTION.sub(f" {words.minus} ", text))
    text = _amounts(text, words)
    text = _units(text, words)
    text = re.sub(rf"({NUMBER})\s?%", lambda m: words.percent.format(n=m[1]), text)
    text = _TIMES.sub(f" {words.signs['×']} ", _JOINED.sub(" ", text))
    return _left(words).sub(lambda m: f" {words.signs[m[0]]} " if words.signs[m[0]] else " ", text)


@cache
def _left_pattern(signs: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(signs, key=lambda sign: (-len(sign), sign))
    return re.compile("|".join(map(re.escape, longest_first)))


def _left(words: Words) -> re.Pattern[str]:
    return _left_pattern(frozenset(words.signs))


def _numbered(text: str, words: Words) -> str:
    """`n° 5`, `15h30`, `3.º` and the first of a month."""
    if words.number:
        text = _NUMBER_SIGN.sub(f"{words.number} ", text)
    if words.months:
        text = re.sub(rf"(?<![\w.,])1[°º](?= (?:{'|'.join(words.months)})\b)", words.first, text)
    return _ORDINAL.sub("", _CLOCK.sub(r"\1 h \2", text))


def _dates(text: str, words: Words) -> str:
    def said(match: re.Match[str]) -> str:
        day, month, year = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
        if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
            return match[0]
        first = words.first if int(day) == 1 else str(int(day))
        return words.date.format(day=first, month=words.months[int(month) - 1], year=year)

    return _DATE.sub(said, text) if words.months else text


def _fractions(text: str, words: Words) -> str:
    if not (words.over or words.fractions):
        return text
    text = _VULGAR_RE.sub(lambda m: f"{m[1] + ' ' if m[1] else ''}{_VULGAR[m[2]]}", text)

    def said(match: re.Match[str]) -> str:
        whole, above, below = match.groups()
        plain = f"{above} {words.over} {below}" if words.over else f"{above}/{below}"
        fraction = words.fractions.get(f"{above}/{below}", plain)
        if whole is None:
            return fraction
        half = words.fractions.get("mixed 1/2", fraction) if f"{above}/{below}" == "1/2" else fraction
        return words.mixed.format(whole=whole, fraction=half)

    return _FRACTION.sub(said, text)


def _amounts(text: str, words: Words) -> str:
    signs = "|".join(sorted(map(re.escape, words.currencies), key=len, reverse=True))
    scale = "|".join(map(re.escape, (*words.scale_words, *words.scales))) or r"(?!)"
    scaled = rf"(?:\s?(?P<scale>{scale})(?![{LATIN}\d]))?"
    before = re.compile(rf"(?<![{LATIN}\d])(?<!\d )(?P<sign>{signs})\s?(?P<number>{NUMBER}){scaled}")
    after = re.compile(rf"(?<![{LATIN}\d.,])(?P<number>{NUMBER}){scaled}\s?(?P<sign>{signs})(?![{LATIN}\d])")

    def said(match: re.Match[str]) -> str:
        return _amount(match["number"], match["scale"], match["sign"], words)

    return after.sub(said, before.sub(said, text))


def _amount(number: str, scale: str | None, sign: str, words: Words) -> str:
    major, minor = words.currencies[sign]
    if scale:
        return f"{number} {words.scales.get(scale, scale)}{words.of}{major.many}"
    cents = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})*|\d+)[.,](\d\d)", number)
    if cents is None or minor is None:
        return _counted(number, major, words)
    whole, part = re.sub(r"\D", "", cents[1]), cents[2]
    if int(part) == 0:
        return _counted(whole, major, words)
    small = _counted(str(int(part)), minor, words)
    return small if int(whole) == 0 else words.amount.format(major=_counted(whole, major, words), minor=small)


def _counted(number: str, noun: Noun, words: Words) -> str:
    if not number.isdecimal():
        return f"{number} {noun.many}"
    said = words.counted(int(number), noun.feminine) or number
    return f"{said} {noun.one if int(number) == 1 else noun.many}"


def _units(text: str, words: Words) -> str:
    if not words.units:
        return text
    units = "|".join(sorted(map(re.escape, words.units), key=len, reverse=True))
    pattern = re.compile(rf"(?<![{LATIN}\d.,])({NUMBER})\s?({units})(?![{LATIN}\d/²³])")
    return pattern.sub(lambda m: _counted(m[1], words.units[m[2]], words), text)
