"""Arguments that a family writes as plain text, typed by the tool's JSON Schema."""

from __future__ import annotations

import json

from workers.generation.calls.json_calls import dumps
from workers.generation.calls.json_stream import NUMBER, JsonStream
from workers.generation.calls.python_words import as_number

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "null": (type(None),),
}  # fmt: skip


def is_text(types: frozenset[str]) -> bool:
    """Whether the text stands for itself, whatever it looks like."""
    return types == {"string"}


def typed(text: str, types: frozenset[str]) -> str:
    """The JSON text of a value that was written as plain text. What fits no type is given as it was written."""
    bare = text.strip()
    if "null" in types and bare in ("null", "None"):
        return "null"
    if types and types <= {"string", "null"}:
        return dumps(text)
    odd = as_number(bare) and not NUMBER.fullmatch(bare)  # Python's spelling of a number, and no JSON
    found = None if odd and not types & {"integer", "number"} else _json(bare)
    if found is not None:
        value = json.loads(found)
        if not types or any(_is(value, name) for name in types):
            return found
        if "integer" in types and isinstance(value, float) and value.is_integer():
            return str(int(value))
    if "boolean" in types and bare.lower() in ("true", "false"):
        return bare.lower()
    return dumps(text) if found is None or "string" in types else found


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    kind = _KINDS.get(name)
    return kind is not None and isinstance(value, kind)


def _json(text: str) -> str | None:
    """The JSON that a text is, small faults put right; None if it is none."""
    value = JsonStream(python=True)
    out, used = value.feed(text + "\n,")  # what ends a word or a string
    if not value.done or text[used:].strip():
        return None
    try:
        json.loads(out)
    except (ValueError, RecursionError):
        return None
    return out.strip()
