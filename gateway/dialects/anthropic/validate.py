"""Validates a body against a schema and says what is wrong as Anthropic does: `messages.0.role: Field required`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidRequest, UnsupportedParameter

_Schema = TypeVar("_Schema", bound=BaseModel)
_LONGEST = 400  # characters of an explanation, which may quote a tag of the client's


def validate(schema: type[_Schema], body: Mapping[str, Any], at: str = "") -> _Schema:
    """The request, or its part at the path `at`, that `body` describes. Raises InvalidRequest for its first mistake."""
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(filter(None, [at, *(str(step) for step in first["loc"])]))
        raise invalid(path, first["msg"][:_LONGEST]) from None


def invalid(path: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {what}", param=path)


def unsupported(path: str, what: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"{path}: {what}", param=path)


def restated(error: InvalidRequest) -> InvalidRequest:
    """A shared check's refusal (`Invalid schema for 'tools.0.input_schema': it is …`) as Anthropic would word it."""
    return invalid(error.param or "", error.message.partition("': ")[2] or error.message)
