"""The ways to read one JSON Schema, the tightest first: the first that the compiler takes binds the answer.

1 as it is, its objects closed
2 as it is, where closing them leaves nothing that matches
3 closed, without the keywords that can't be bound      3 to 7 never for a strict schema
4 the same, `oneOf` read as `anyOf`
5 the same, without patterns and counts of properties
6 like 5, its objects open
7 like 5, without what binds properties together, for calls whose arguments are written one by one
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workers.generation.grammar.closing import close
from workers.generation.grammar.relaxing import Relaxer
from workers.generation.grammar.schema import normalise


@dataclass(frozen=True, slots=True)
class Reading:
    """`unbound`: keywords that the answer is not held to. `proof`: this must compile as well for the reading to hold:
    options of `oneOf` that are apart once their objects are closed may overlap as they were given.
    """

    schema: dict[str, Any]
    unbound: frozenset[str] = frozenset()
    proof: dict[str, Any] | None = None


def readings(text: str, param: str, *, strict: bool, plain: bool = False) -> Iterator[Reading]:
    """`plain`: 7, too. Raises InvalidRequest for what is no schema or too large for one."""
    schema = normalise(text, param)
    closed = close(schema)
    apart = closed != schema and '"oneOf"' in text
    yield Reading(closed, proof=schema if apart else None)
    yield Reading(schema)
    if strict:
        return
    for source, choices, more in (
        (closed, False, False),
        (closed, True, False),
        (closed, True, True),
        (schema, True, True),
    ):
        relaxer = Relaxer(schema, choices=choices, more=more)
        relaxed = relaxer.schema(source)
        proof = Relaxer(schema).schema(schema) if apart and not choices else None
        yield Reading(relaxed, frozenset(relaxer.dropped), proof)
    if not plain:
        return
    relaxer = Relaxer(schema, choices=True, more=True)
    yield Reading(relaxer.plain(relaxer.schema(closed)), frozenset(relaxer.dropped))
