"""Whether a whole answer keeps the schemas that could not be bound while it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from shared.messages import Delta, TextDelta, ToolCallDelta

_STEPS = 100_000  # of a pattern that is no regular one, before it counts as kept


@dataclass(frozen=True, slots=True)
class Checks:
    """Schemas as they were given, and what of them is unbound. `text`: the answer's; `tools`: of calls, by name."""

    unbound: frozenset[str]
    text: str | None = None
    tools: Mapping[str, str] = field(default_factory=dict)


class EndCheck:
    """Reads one choice's deltas, then says which keywords the whole answer breaks."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._text: list[str] = []
        self._calls: dict[int, tuple[str, list[str]]] = {}

    def read(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            self._text.append(delta.text)
        elif isinstance(delta, ToolCallDelta):
            _, arguments = self._calls.setdefault(delta.call, (delta.name or "", []))
            arguments.append(delta.arguments)

    def unmet(self) -> tuple[str, ...]:
        found: set[str] = set()
        if self._checks.text is not None and not self._calls:
            found |= broken(self._checks.text, "".join(self._text), self._checks.unbound)
        for name, arguments in self._calls.values():
            schema = self._checks.tools.get(name)
            if schema is not None:
                found |= broken(schema, "".join(arguments), self._checks.unbound)
        return tuple(sorted(found))


def broken(schema: str, answer: str, unbound: frozenset[str]) -> set[str]:
    """The keywords of the schema that the answer breaks; none where it is not whole, or the schema can't be read."""
    try:
        value = json.loads(answer)
        validator = _validator(json.loads(schema))
        paths = [error.schema_path for error in validator.iter_errors(value) if error.schema_path]
        return {str(next((step for step in path if step in unbound), path[-1])) for path in paths}
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError):
        return set()


def _validator(schema: Any) -> Any:
    """Reads nothing from elsewhere, and gives a pattern a bounded time."""
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS)
    return jsonschema_rs.validator_for(schema, validate_formats=True, pattern_options=options, offline=True)
