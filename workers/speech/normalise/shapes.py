"""Shapes of numbers that every language writes alike: phone numbers, serial numbers, ranges."""

from __future__ import annotations

import re
from collections.abc import Callable

Spell = Callable[[str], str]
"""Says a run of digits one by one."""

LATIN = "A-Za-zÀ-ɏ"
NUMBER = r"\d{1,15}(?:[.,]\d{1,15}){0,5}"

_PHONES = re.compile(
    rf"""(?<![{LATIN}\d_+.,/-])(?:
        (?P<plus>\+)\d{{1,3}}(?:[ .\-]?\(\d{{1,5}}\))?(?:[ .\-/]?\d{{1,8}}){{1,6}}     # +49 30 1234567
      | (?:1[-. ])?(?:\(\d{{3}}\)[ ]?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}}                # (555) 123-4567
      | \d{{3}}-\d{{4}}                                                           # 555-1234
      | 0\d{{1,4}}[ /]\d{{2,8}}(?:[ -]\d{{2,8}}){{0,4}}                              # 030 1234567, 01 23 45 67 89
      | \(\d{{2,3}}\)[ ]?\d{{4,5}}-\d{{4}}                                          # (11) 91234-5678
      | 0\d{{3,5}}-\d{{3,5}} | \d{{5}}-\d{{3,4}}                                     # a postcode, which is no range
      | \d{{4}}(?:[ -]\d{{4}}){{3}}                                                 # a card's number
    )(?![{LATIN}\d_-]|[.,]\d)""",
    re.VERBOSE,
)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}-\d{1,2}-\d{4}")
_SERIAL = re.compile(rf"(?<![{LATIN}\d_.,/-])\d{{1,20}}(?:-\d{{1,20}}){{2,10}}(?![{LATIN}\d_-]|[.,]\d)")
_GROUPED = re.compile(r"(?<![\w.,/+-])(?<!\d )([1-9]\d{0,2})((?: \d{3}){1,5})(?! ?\d|[\w/-])")
_RANGE = re.compile(
    rf"(?<![{LATIN}\d_.,/+−-])(?P<between>(?:between|entre|tra|fra)\s)?(?P<sign>[$€£¥₹]?)(?P<low>\d{{1,15}}(?:[.,]\d{{1,15}}){{0,5}})(?P<unit>[%°]?)"
    r"(?:-|\s?[–—]\s?)(?P<high>[$€£¥₹]?\d{1,15}(?:[.,]\d{1,15}){0,5})(?![\d/-])",
    re.IGNORECASE,
)


def join_thousands(text: str, groups: int = 2) -> str:
    """`1 000 000` as one number, from so many groups of three on; three threes may be a phone number and stay."""

    def said(match: re.Match[str]) -> str:
        rest = match[2].replace(" ", "")
        phone = len(match[1]) == 3 and len(rest) == 6
        return match[0] if phone or len(rest) < 3 * groups else match[1] + rest

    return _GROUPED.sub(said, text)


def spell_phones(text: str, spell: Spell, plus: str) -> str:
    """Phone, card and serial numbers digit by digit, with a pause between their groups; dates stay."""

    def said(match: re.Match[str]) -> str:
        if _DATE.fullmatch(match[0]):
            return match[0]
        groups = ", ".join(spell(group) for group in re.findall(r"\d+", match[0]))
        return f"{plus} {groups}" if match[0].startswith("+") else groups

    return _SERIAL.sub(said, _PHONES.sub(said, text))


def speak_ranges(text: str, to: str, between: str = "", both: str = "") -> str:
    """`10-20` as `10 to 20`, behind the word `between` as `10 and 20` (`both`).

    A currency's sign in front belongs to both ends, and is said behind the second.
    """

    def said(match: re.Match[str]) -> str:
        sign, low, unit, high = match.group("sign", "low", "unit", "high")
        before = match["between"] or ""
        word = both if before and before.strip().lower() in between.split() else to
        if sign and high[0].isdigit():
            return f"{before}{low}{unit} {word} {sign}{high}"
        return f"{before}{sign}{low}{unit} {word} {high}"

    return _RANGE.sub(said, text)
