"""Random JSON Schemas of the kind that pydantic, zod and people write."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

_NAMES = ["a", "city", "größe", 'quo"te', "a b", "$id", "items", "x-1"]
_values = st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), st.text(max_size=6), st.just({"k": [1, "x"]}))


def _bounds(low: str, high: str, most: int) -> st.SearchStrategy[Schema]:
    pairs = st.tuples(st.integers(0, most), st.integers(0, most)).map(sorted)
    return st.one_of(st.just({}), pairs.map(lambda pair: {low: pair[0], high: pair[1]}))


_strings = st.one_of(
    _bounds("minLength", "maxLength", 12).map(lambda more: {"type": "string", **more}),
    st.sampled_from(["date", "date-time", "time", "uuid", "ipv4", "email"]).map(
        lambda name: {"type": "string", "format": name}
    ),
    st.sampled_from(["^[a-z]{2,5}$", r"\d+-\d+", "^(a|b)+$", "x"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)
_numbers = st.one_of(
    st.tuples(st.integers(-500, 0), st.integers(0, 500), st.sampled_from(["integer", "number"])).map(
        lambda t: {"type": t[2], "minimum": t[0], "maximum": t[1]}
    ),
    st.integers(1, 12).map(lambda n: {"type": "integer", "multipleOf": n, "minimum": 0, "exclusiveMaximum": 400}),
    st.just({"type": "number", "exclusiveMinimum": 0}),
)
_leaves = st.one_of(
    _strings,
    _numbers,
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"], "maxLength": 9}),
    _values.map(lambda value: {"const": value}),
    st.lists(_values, min_size=1, max_size=4).map(lambda values: {"enum": values}),
)


def _objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    properties = st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    return st.builds(
        lambda given, required, more: {
            "type": "object",
            "properties": given,
            "required": [name for name in given if name in required],
            **more,
        },
        properties,
        st.sets(st.sampled_from(_NAMES)),
        st.sampled_from([{"additionalProperties": False}, {"additionalProperties": {"type": "boolean"}}, {}]),
    )


def _arrays(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.builds(lambda one, more: {"type": "array", "items": one, **more}, inner, _bounds("minItems", "maxItems", 3)),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda ones: {"type": "array", "prefixItems": ones, "items": False, "minItems": len(ones)}
        ),
    )


def _nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        _objects(inner),
        _arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda ones: {"anyOf": ones}),
        inner.map(lambda one: {"anyOf": [one, {"type": "null"}], "default": None, "title": "Optional"}),
    )


def _with_definitions(schema: Schema, shared: Schema, recursive: bool) -> Schema:
    """The schema beside a definition that it uses, and that may use itself."""
    node = {"type": "object", "properties": {"value": shared}, "required": ["value"], "additionalProperties": False}
    if recursive:
        node["properties"]["next"] = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}
    both = {"node": {"$ref": "#/$defs/Node"}, "it": schema}
    return {"type": "object", "properties": both, "required": ["node"], "$defs": {"Node": node}}


plain = st.recursive(_leaves, _nested, max_leaves=6)
schemas = st.one_of(plain, st.builds(_with_definitions, plain, _leaves, st.booleans()))
