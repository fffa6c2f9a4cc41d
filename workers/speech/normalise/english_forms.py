"""English forms of numbers that are no plain numbers: decades, short dates, ratios, prices a month, sums."""

from __future__ import annotations

import re
from collections.abc import Callable

from workers.speech.normalise.shapes import Spell

_MONTHS = {
    **{"Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July"},
    **{"Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November"},
    "Dec": "December",
}
_DECADES = dict(
    zip("23456789", ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine"), strict=True),
)
_SPOONS = {
    **{"tsp": "teaspoon", "tbsp": "tablespoon", "lb": "pound", "oz": "ounce", "mi": "mile", "in": "inch", "ft": "foot"},
    **{"kg": "kilogram", "km": "kilometer", "cm": "centimeter", "hr": "hour", "h": "hour", "gal": "gallon"},
}
_DOTTED = {
    **{"ft": "feet", "in": "inches", "lb": "pounds", "lbs": "pounds", "oz": "ounces", "yd": "yards", "mi": "miles"},
    **{"hr": "hours", "hrs": "hours", "min": "minutes", "mins": "minutes"},
}
_METRIC = "kg|mg|g|km|cm|mm|m|ml|cl|l|L|GB|MB|TB|kWh|kW|V"
_SUM = r"[\dxyz²³)]"


def _decade(match: re.Match[str]) -> str:
    return f"{_DECADES[match[1]]}ties"


def _seconds(digits: str) -> str:
    return f"{int(digits)} second{'' if int(digits) == 1 else 's'}"


Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
_RULES: tuple[Rule, ...] = (
    (re.compile(r"\+/[-−]"), "±"),
    # 1.234.567,89 and 1,5 kg, as most of Europe writes them
    (
        re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{3}){1,4}),(\d{1,2})(?![\w,]|\.\d)"),
        lambda m: f"{m[1].replace('.', '')}.{m[2]}",
    ),
    (re.compile(rf"(?<![\w.,])(\d{{1,3}}),(\d{{1,2}})(?=\s?(?:{_METRIC})\b)"), r"\1.\2"),
    (re.compile(r"(?<![\w.])\.(?=\d)"), "0."),
    # dates and times
    (re.compile(r"(?<![\w/.])(\d{1,2})/(\d{1,2})/(\d\d)(?![\w/]|[.,]\d)"), r"\1, \2, \3"),
    (re.compile(r"(?<=\b[Oo]n )(1?\d)/([1-3]?\d)(?![\w/]|[.,]\d)"), r"\1, \2"),
    (re.compile(rf"\b({'|'.join(_MONTHS)})\.?\s(?=\d)"), lambda m: f"{_MONTHS[m[1]]} "),
    (
        re.compile(
            r"(?:(?<![\w$€£])['’]|(?<=\b[Tt]he )|(?<=\b(?:early|their) )|(?<=\blate )|(?<=\bmid[ -]))([2-9])0s\b"
        ),
        _decade,
    ),
    (re.compile(r"(?<![\w$€£.,])([2-9])0s(?=-)"), _decade),
    (re.compile(r"(?<![\w$€£.,'’-])(\d{1,3})s\b(?!-)"), r"\1 s"),
    (re.compile(r"(?<![\w:])(\d{1,2}:[0-5]\d):([0-5]\d)(?![\w:])"), lambda m: f"{m[1]} and {_seconds(m[2])}"),
    (re.compile(r"(?<![\w.,])(\d{1,2})h([0-5]\d)\b"), r"\1 h \2 min"),
    (re.compile(r"(?<=\d:[0-5]\d)\s?h\b"), ""),
    # ranges, ratios, fractions
    (re.compile(r"(?<=\d)(\s?(?:[ap]m|bn|[kKmMbB]))\s?[-–]\s?(?=[$€£]?\d)"), r"\1 to "),
    (re.compile(r"\b50[-/]50\b"), "fifty fifty"),
    (re.compile(r"(?<![\w:.,])(\d{1,4}):(\d)(?![\w:]|[.,]\d)"), r"\1 to \2"),
    (re.compile(r"(?<![\w/.,])(\d{2,4})/(\d{2,4})(?![\w/]|[.,]\d)"), r"\1 over \2"),
    (re.compile(rf"(?<=\d/\d) ({'|'.join(_SPOONS)})\b\.?"), lambda m: f" {_SPOONS[m[1]]}"),
    # amounts
    (re.compile(r"([$€£]\s?\d[\d.,]{0,15})-(a|per)-(?=[a-z])"), r"\1 \2 "),
    (re.compile(r"[$€£](\d[\d.,]{0,15}) (thousand|million|billion|trillion)-(dollar|euro|pound)s?\b"), r"\1 \2 \3"),
    (re.compile(r"\b(USD|EUR|GBP|JPY|INR|CAD|AUD|CHF)\s?(\d[\d.,]{0,15}\d|\d)(?![\w])"), r"\2 \1"),
    (re.compile(rf"(?<=\d)\s?({'|'.join(_DOTTED)})\.(?=\s[a-z])"), lambda m: f" {_DOTTED[m[1]]}"),
    (re.compile(r"([$€£]\s?\d[\d.,]{0,15})/(?=[a-z]{1,10}\b)"), r"\1 per "),
    (re.compile(r"(?<![\w.])([3-8])['’](\d{1,2})(?![\w\"”″'’.,]\w|[\"”″'’\d])"), r"\1 ft \2"),
    # sums
    (re.compile(r"(?<=\d)x(?=\s?[-−+*/=^²³)])"), " x"),
    (re.compile(rf"(?<={_SUM}) [-−] (?=[\d(]|[xyz]\b|[a-z][²³])"), " minus "),
    (re.compile(r"(?<=[a-z]{2}):(?=\d{2,5}\b)"), " colon "),
    (re.compile(r"\bw/(?!o\b)\s?(?=[a-z])"), "with "),
)
_SHORT_NUMBERS = re.compile(r"(?<=\b[Cc]all |\b[Dd]ial )(\d{3})(?![\w:%°]|[-.,/]\w)")
_FREE_CALLS = re.compile(r"(?<![\w.,/-])1-(8\d\d)-(?=[A-Z])")


def speak_forms(text: str, spell: Spell) -> str:
    """Runs behind links and code, in front of phone numbers, ranges and the library's own reading."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    text = _SHORT_NUMBERS.sub(lambda m: spell(m[1]), text)
    return _FREE_CALLS.sub(lambda m: f"{spell('1')}, {spell(m[1])}, ", text)
