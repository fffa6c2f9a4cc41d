"""JSON as the data of server-sent events."""

from __future__ import annotations

import json
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def dump(value: Any) -> str:
    """JSON on one line, also for clients that split lines at Unicode's other line ends."""
    text = _encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def to_event(value: Any) -> bytes:
    return f"data: {dump(value)}\n\n".encode()
