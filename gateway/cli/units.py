"""Numbers as people read them."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes with three figures and a decimal unit: 2.15 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 999.5 else f"{count:.0f} TB"


def seconds(count: float) -> str:
    """A duration in its two largest units: 3 h 12 min."""
    whole = int(count)
    for name, length, rest_name, rest in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length} {name} {whole % length // rest} {rest_name}"
    return f"{whole} s"
