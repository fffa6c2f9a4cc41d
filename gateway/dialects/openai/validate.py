"""Validates a body against a schema and says what is wrong in OpenAI's words, with the exact path as `param`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.dialects.openai.schema import PARTS, ROLES
from shared.errors import InvalidRequest

_Schema = TypeVar("_Schema", bound=BaseModel)

_TAGGED = ("messages", "content")  # their items are tagged unions, and the tag is a step of pydantic's path
_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "int_from_float": "an integer",
    "finite_number": "a finite number",
}
_UNIONS = dict.fromkeys(("tool_choice", "guided_json", "structured_outputs.json"), "a string or an object")
_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def validate(schema: type[_Schema], body: Mapping[str, Any], at: str = "") -> _Schema:
    """The request, or its part at the path `at`, that `body` describes.

    Raises InvalidRequest with the path of the first mistake.
    """
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        raise explain(error.errors(include_url=False, include_context=True)[0], at) from None


def param_path(loc: Sequence[str | int]) -> str:
    """`messages[0].content[1].text` of pydantic's ('messages', 0, 'input', 'content', 1, 'text', 'text')."""
    path, skip = "", False
    for position, step in enumerate(loc):
        if skip:
            skip = False
        elif isinstance(step, int):
            path += f"[{step}]"
            skip = loc[position - 1] in _TAGGED
        elif path in _UNIONS:
            break
        else:
            path += f".{step}" if path else step
    return path


def explain(error: Any, at: str = "") -> InvalidRequest:
    """Turns one of pydantic's error records into the request's error; `at` is the path of what was validated."""
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    path = param_path(error["loc"])
    param = f"{at}.{path}" if at else path
    if kind == "missing":
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    if kind in ("role", "part"):
        return _unknown_tag(param, "role" if kind == "role" else "type", ROLES if kind == "role" else PARTS, value)
    wanted = _UNIONS.get(param) or (error["msg"] if kind == "expected" else _WANTED.get(kind))
    if wanted:
        return InvalidRequest(f"Invalid type for '{param}': expected {wanted}, but got {_name(value)}.", param=param)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        what = f"expected a value of {words} {context[key]}, but got {_short(value)} instead"
    elif kind in ("too_short", "string_too_short"):
        what = "it must not be empty"
    elif kind == "too_long":
        what = f"expected at most {context['max_length']} items, but got {context['actual_length']}"
    elif kind == "literal_error":
        what = f"expected {context['expected']}, but got {_short(value)}"
    else:
        what = error["msg"]
    return InvalidRequest(f"Invalid value for '{param}': {what}.", param=param)


def _unknown_tag(param: str, key: str, known: Sequence[str], value: Any) -> InvalidRequest:
    if not isinstance(value, dict):
        return InvalidRequest(f"Invalid type for '{param}': expected an object, but got {_name(value)}.", param=param)
    at = f"{param}.{key}"
    if key not in value:
        return InvalidRequest(f"Missing required parameter: '{at}'.", param=at)
    names = ", ".join(f"'{name}'" for name in known)
    return InvalidRequest(f"Invalid value for '{at}': {_short(value[key])}. Supported values are: {names}.", param=at)


def _name(value: object) -> str:
    return f"{_NAMES.get(type(value), 'something else')} instead"


def _short(value: object) -> str:
    if isinstance(value, str):
        return repr(value) if len(value) <= 80 else repr(value[:80]) + "…"
    return str(value) if isinstance(value, int | float) else _NAMES.get(type(value), "something else")
