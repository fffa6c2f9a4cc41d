"""What a language's table has to hold so that `signs` can say its amounts, units and signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Noun(NamedTuple):
    """One and many of what is counted; `feminine` where the word for one follows it."""

    one: str
    many: str
    feminine: bool = False


class Currency(NamedTuple):
    major: Noun
    minor: Noun | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """`count` says a whole number before a noun where plain digits would be read wrongly; None: digits will do."""

    to: str  # between the ends of a range
    minus: str
    plus: str
    currencies: Mapping[str, Currency]
    units: Mapping[str, Noun]
    signs: Mapping[str, str]
    percent: str = "{n} %"
    amount: str = "{major} {minor}"  # two amounts as one: 29 euros, 99 cents
    of: str = " "  # between "3 million" and the currency
    scales: Mapping[str, str] = field(default_factory=dict)  # k, M, bn behind an amount
    scale_words: tuple[str, ...] = ()
    fractions: Mapping[str, str] = field(default_factory=dict)
    over: str = ""  # any other fraction: 3 over 10
    mixed: str = "{whole} {fraction}"
    date: str = ""  # "{day} de {month} de {year}"
    months: tuple[str, ...] = ()
    first: str = "1"  # the first day of a month
    between: str = ""  # words before a range that ask for `both` between its ends
    both: str = ""
    counted: Callable[[int, bool], str | None] = lambda number, feminine: None
    number: str = ""  # before a numeral: n° 5
    grouped: int = 2  # groups of three digits, divided by spaces, from which on they are one number
