from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.responses.choice import Choice, to_choice
from gateway.dialects.openai.responses.tools import (
    Callee,
    add_discovered,
    discovered,
    flat_name,
    to_toolbox,
)
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Tool

F = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
SPACE = {"type": "namespace", "name": "mcp__files__", "description": "Files.", "tools": [F, PATCH]}


def test_functions():
    box = to_toolbox([F | {"description": "does f", "strict": True}, {"type": "function", "name": "g"}])
    assert box.tools[0] == Tool("f", "does f", json.dumps(F["parameters"]), True)
    assert json.loads(box.tools[1].parameters) == {"type": "object", "properties": {}}
    assert box.callee("f") == Callee("function", "f")
    assert box.callee("never shown") == Callee("function", "never shown")


def test_a_custom_tool_is_shown_as_a_function_with_one_text():
    (tool,) = to_toolbox([PATCH]).tools
    schema = json.loads(tool.parameters)
    assert schema["required"] == ["input"]
    assert "start: /.+/" in schema["properties"]["input"]["description"]
    assert to_toolbox([PATCH]).callee("apply_patch").kind == "custom"


def test_a_namespace_is_flattened_and_found_again():
    box = to_toolbox([SPACE, F])
    assert [tool.name for tool in box.tools] == ["mcp__files__f", "mcp__files__apply_patch", "f"]
    assert box.callee("mcp__files__f") == Callee("function", "f", "mcp__files__")
    assert box.callee("mcp__files__apply_patch") == Callee("custom", "apply_patch", "mcp__files__")


@pytest.mark.parametrize(
    ("space", "flat"), [(None, "f"), ("", "f"), ("mcp__files__", "mcp__files__f"), ("agents", "agents__f")]
)
def test_joined_names(space, flat):
    assert flat_name(space, "f") == flat


def test_hosted_tools_are_left_out():
    box = to_toolbox([{"type": "web_search"}, {"type": "tool_search", "execution": "client"}, F])
    assert ([tool.name for tool in box.tools], box.left_out) == (["f"], ["web_search", "tool_search"])


def test_tools_that_come_in_items_join_the_others():
    box = to_toolbox([F])
    items = [{"role": "user"}, {"type": "tool_search_output", "tools": [F, SPACE]}, {"type": "additional_tools"}]
    add_discovered(box, discovered(items))
    assert [tool.name for tool in box.tools] == ["f", "mcp__files__f", "mcp__files__apply_patch"]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{}], "tools[0].type"),
        ([{"type": 1}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].name"),
        ([{"type": "function", "name": "a b"}], "tools[0].name"),
        ([F, F], "tools[1].name"),
        ([SPACE | {"tools": [F, F]}], "tools[0].tools[1].name"),
        ([F | {"parameters": []}], "tools[0].parameters"),
        ([F | {"strict": True, "parameters": {"$ref": "#"}}], "tools[0].parameters"),
    ],
)
def test_mistakes_are_named(tools, param):
    with pytest.raises(InvalidRequest) as caught:
        to_toolbox(tools)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, Choice()),
        ("auto", Choice()),
        ("none", Choice(use_tools=False)),
        ("required", Choice(mode="required")),
        ({"type": "function", "name": "g"}, Choice(mode="required", names=("g",), single=True)),
        (
            {"type": "custom", "name": "apply_patch"},
            Choice(mode="required", names=("mcp__files__apply_patch",), single=True),
        ),
        (
            {"type": "function", "name": "f", "namespace": "mcp__files__"},
            Choice(mode="required", names=("mcp__files__f",), single=True),
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "g"}, {"type": "web_search"}],
            },
            Choice(names=("g",)),
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}, Choice(use_tools=False)),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
            Choice(mode="required", names=("g",)),
        ),
    ],
)
def test_choices(given, choice):
    assert to_choice(given, to_toolbox([{"type": "function", "name": "g"}, SPACE])) == choice


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("maybe", "tool_choice"),
        ({"type": "function", "name": "h"}, "tool_choice.name"),
        ({"type": "function"}, "tool_choice.name"),
        ({"type": 1}, "tool_choice.type"),
        ({}, "tool_choice.type"),
        ({"type": "web_search"}, "tool_choice"),
        ({"type": "allowed_tools", "tools": []}, "tool_choice.tools"),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "h"}]}, "tool_choice.tools[0].name"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}, "tool_choice.tools"),
    ],
)
def test_choices_that_cannot_be_kept(given, param):
    with pytest.raises(InvalidRequest) as caught:
        to_choice(given, to_toolbox([{"type": "function", "name": "g"}]))
    assert caught.value.param == param


def test_required_needs_a_tool():
    with pytest.raises(InvalidRequest, match="needs 'tools'"):
        to_choice("required", to_toolbox([{"type": "web_search"}]))


def test_a_hosted_tool_cannot_be_forced():
    with pytest.raises(UnsupportedParameter, match="web_search"):
        to_choice({"type": "web_search"}, to_toolbox([{"type": "web_search"}]))
