"""Arguments that a model has put into an object of their own: `{"arguments": {"city": "Oslo"}}`.

The object is taken off if the tool has no such argument and knows all that is inside.
"""

from __future__ import annotations

import json

from shared.messages import Tool
from workers.generation.calls.schemas import Schemas

_WRAPPERS = ("arguments", "input", "parameters", "properties")
_ENOUGH = len('{"parameters":')


class Wrapping:
    """The arguments of one call on their way to the client; told late only if they begin like such an object."""

    def __init__(self, tool: Tool | None) -> None:
        self._names = Schemas(tool).properties.keys()
        self._openings = tuple(f'{{"{name}":' for name in _WRAPPERS if self._names and name not in self._names)
        self._parts: list[str] = []
        self._opening = ""  # what they begin with, without white space
        self._told = False

    def add(self, text: str) -> str:
        """What may be told now."""
        if self._told:
            return text
        self._parts.append(text)
        if len(self._opening) < _ENOUGH:
            self._opening = (self._opening + "".join(text.split()))[:_ENOUGH]
        if any(opening.startswith(self._opening[: len(opening)]) for opening in self._openings):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What was not told, as it was written: the call has broken."""
        self._told = True
        text = "".join(self._parts)
        self._parts = []
        return text

    def end(self) -> str:
        """What was not told of a whole call."""
        text = self.rest()
        inner = text[text.find(":") + 1 : text.rfind("}")].strip()
        value = _loads(inner)
        if isinstance(value, str):
            inner, value = value, _loads(value)
        return inner if isinstance(value, dict) and value.keys() <= self._names else text


def _loads(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
