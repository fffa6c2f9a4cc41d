"""What the tables of the languages have in common: the units' order, and the word for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workers.speech.normalise.words import Noun

_UNITS = (
    "km/h m/s km² m² cm² m³ cm³ km cm mm m kg mg g t ml cl l L °C °F ° h min s ms W kW kWh V A Hz kHz MHz GHz "
    "kB MB GB TB Mbit/s Mb/s"
)


def units(names: str, feminine: Sequence[str] = ()) -> dict[str, Noun]:
    """`names`: one a unit in the order above, "one|many", divided by commas; `feminine` their first words."""
    pairs = [name.strip().partition("|") for name in names.split(",")]
    return {
        unit: Noun(one, many or one, one.split()[0] in feminine)
        for unit, (one, _, many) in zip(_UNITS.split(), pairs, strict=True)
    }


def one(masculine: str, feminine: str, two: str | None = None) -> Callable[[int, bool], str | None]:
    """Says 1 (and a feminine 2) before a noun; other numbers stay digits."""

    def said(number: int, is_feminine: bool) -> str | None:
        if number == 1:
            return feminine if is_feminine else masculine
        return two if number == 2 and is_feminine else None

    return said
