from __future__ import annotations

import json
from typing import Any

import pytest

from shared.messages import Tool
from workers.generation.calls.schemas import Schemas
from workers.generation.calls.values import typed

PROPERTIES: dict[str, Any] = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "list": {"type": "array"},
    "object": {"$ref": "#/$defs/Thing"},
    "text or null": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "nullable": {"type": "integer", "nullable": True},
    "several": {"type": ["string", "integer", "null"]},
    "enum": {"enum": ["1", "2"]},
    "mixed enum": {"enum": [1, "two", None]},
    "const": {"const": 5},
    "either": {"oneOf": [{"$ref": "#/$defs/Thing"}, {"type": "string"}]},
    "cycle": {"$ref": "#/$defs/Loop"},
    "nothing": {},
    "no reference": {"$ref": "https://example.com/schema"},
}
SCHEMAS = Schemas(
    Tool(
        "f",
        parameters=json.dumps(
            {"properties": PROPERTIES, "$defs": {"Thing": {"type": "object"}, "Loop": {"$ref": "#/$defs/Loop"}}}
        ),
    )
)


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("text", "5", "5"),
        ("text", "null", "null"),
        ("text", ' {"a": 1}\n', ' {"a": 1}\n'),
        ("whole", " 5\n", 5),
        ("whole", "5.0", 5),
        ("whole", "5.5", 5.5),
        ("whole", "five", "five"),
        ("number", "-1.5e3", -1500.0),
        ("flag", "true", True),
        ("flag", "True", True),
        ("flag", "FALSE", False),
        ("flag", "yes", "yes"),
        ("list", '["a", 1]', ["a", 1]),
        ("list", "['a', None]", ["a", None]),
        ("list", "[1, 2", "[1, 2"),
        ("object", '{"a": {"b": true}}', {"a": {"b": True}}),
        ("text or null", "null", None),
        ("text or null", "5", "5"),
        ("text or null", '"quoted"', '"quoted"'),
        ("nullable", "None", None),
        ("nullable", "3", 3),
        ("several", "3", 3),
        ("several", "x", "x"),
        ("several", '"3"', "3"),
        ("enum", "1", "1"),
        ("mixed enum", "1", 1),
        ("mixed enum", "two", "two"),
        ("const", "5", 5),
        ("either", '{"a": 1}', {"a": 1}),
        ("either", "[1]", "[1]"),
        ("cycle", "5", 5),
        ("nothing", "5", 5),
        ("nothing", "1.50", 1.5),
        ("nothing", "1e3", 1000.0),
        ("nothing", "007", "007"),
        ("nothing", "word", "word"),
        ("no reference", "[1]", [1]),
        ("unknown", "true", True),
        ("whole", "9" * 5000, "9" * 5000),
        ("list", "[" * 100_000, "[" * 100_000),
    ],
)
def test_typed_by_the_schema(key: str, written: str, value: Any) -> None:
    assert json.loads(typed(written, SCHEMAS.types(key))) == value


def test_no_tool_and_no_schema() -> None:
    assert Schemas(None).types("a") == Schemas(Tool("f", parameters="[]")).types("a") == frozenset()
