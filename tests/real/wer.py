"""Word error rates: words, or characters of languages that are written without spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from num2words import num2words

_SPACELESS = ("zh", "ja")


def units(text: str, language: str) -> list[str]:
    """What is counted: without case, punctuation and accents' encodings; numerals are written out."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"\d+", lambda found: f" {_spelled(found[0], language)} ", plain)
    kept = "".join(sign if unicodedata.category(sign)[0] in "LM" else " " for sign in plain)
    return [sign for sign in kept if sign != " "] if language in _SPACELESS else kept.split()


def _spelled(number: str, language: str) -> str:
    try:
        return str(num2words(int(number), lang=language))
    except NotImplementedError:
        return number


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions between them."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        before, row[0] = row[0], index
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def error_rate(pairs: Iterable[tuple[str, str, str]]) -> float:
    """Of all (language, said, heard) together; no file counts for more than its length."""
    counted = [(units(said, language), units(heard, language)) for language, said, heard in pairs]
    return sum(min(errors(said, heard), len(said)) for said, heard in counted) / sum(len(said) for said, _ in counted)
