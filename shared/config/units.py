"""Sizes, shares and durations as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

_SIZES = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "kib": 2**10, "m": 10**6, "mb": 10**6, "mib": 2**20}
_SIZES |= {"g": 10**9, "gb": 10**9, "gib": 2**30, "t": 10**12, "tb": 10**12, "tib": 2**40}
_TIMES = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def _quantity(value: object, units: Mapping[str, float], what: str) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not {what}")
    if isinstance(value, int | float):
        return float(value)
    match = _NUMBER.fullmatch(str(value))
    factor = units.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{value!r} is not {what}")
    return float(match.group(1)) * factor


def parse_size(value: object) -> int:
    """Bytes of `512MB`, `1.5 GiB` or a plain number. Raises ValueError."""
    return int(_quantity(value, _SIZES, "a size such as 512MB or 16GiB"))


def parse_duration(value: object) -> float:
    """Seconds of `30s`, `5m`, `1h` or a plain number. Raises ValueError."""
    return _quantity(value, _TIMES, "a duration such as 30s, 5m or 1h")


def parse_count(value: object) -> int:
    """A number such as 250000, `500k` or `2M`. Raises ValueError."""
    return int(_quantity(value, _COUNTS, "a number such as 250000, 500k or 2M"))


def parse_budget(value: object) -> float | int:
    """`75%` as a share (0.75, a float), anything else as bytes (an int). Raises ValueError."""
    if isinstance(value, float) and 0 < value <= 1:
        return value
    if isinstance(value, str) and value.strip().endswith("%"):
        share = float(value.strip()[:-1]) / 100
        if not 0 < share <= 1:
            raise ValueError(f"{value!r} is not a share between 1% and 100%")
        return share
    size = parse_size(value)
    if size <= 0:
        raise ValueError("a budget of 0 bytes hosts nothing")
    return size


Size = Annotated[int, BeforeValidator(parse_size)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
Budget = Annotated[float | int, BeforeValidator(parse_budget)]
