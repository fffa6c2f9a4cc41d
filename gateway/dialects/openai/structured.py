"""What an answer must match: OpenAI's `response_format`, vLLM's `structured_outputs` and `guided_*`, to the wire.

https://platform.openai.com/docs/guides/structured-outputs and
https://docs.vllm.ai/en/latest/features/structured_outputs.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from gateway.dialects.openai.fields import unsupported
from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.schema_limits import MAX_SCHEMA, check_choices, check_lark, check_regex, check_schema
from shared.errors import InvalidRequest
from shared.messages import Grammar

FORMATS = ("text", "json_object", "json_schema")
_KINDS = ("json", "regex", "choice", "grammar")  # vLLM's
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class JsonSchemaFormat(Lenient):
    """`schema_` is `schema`, a name that pydantic keeps for itself."""

    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Lenient):
    """A `json_object` may bring a schema too, as several peers have it."""

    type: str
    json_schema: JsonSchemaFormat | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")


class StructuredOutputs(Lenient):
    json_: str | dict[str, Any] | None = Field(None, alias="json")
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: Any = None


class StructuredFields(Lenient):
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: str | dict[str, Any] | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None


def to_grammar(request: StructuredFields) -> Grammar | None:
    """None for an answer that is free. Raises InvalidRequest, also when several are asked for."""
    return next(iter(_found(request).values()), None)


def grammar_param(request: StructuredFields) -> str | None:
    """Where the request names the format of its answer."""
    return next(iter(_found(request)), None)


def _found(request: StructuredFields) -> dict[str, Grammar]:
    """At most one grammar, by the path at which it was given."""
    found: dict[str, Grammar] = {}
    wanted = request.response_format
    if wanted is not None and (bound := of_format(wanted)):
        found[_path(wanted)] = bound
    found |= _of_outputs(request.structured_outputs)
    found |= _of_values({f"guided_{kind}": getattr(request, f"guided_{kind}") for kind in _KINDS})
    if len(found) > 1:
        first, second = list(found)[:2]
        raise InvalidRequest(f"'{second}' can't be combined with '{first}': an answer has one format.", param=second)
    return found


def _path(wanted: ResponseFormat) -> str:
    if wanted.type == "json_schema":
        return "response_format.json_schema.schema"
    return "response_format" if wanted.schema_ is None else "response_format.schema"


def _of_outputs(given: StructuredOutputs | None) -> dict[str, Grammar]:
    if given is None:
        return {}
    if given.structural_tag is not None:
        raise unsupported("structured_outputs.structural_tag", "use tools with strict schemas")
    values = zip(_KINDS, (given.json_, given.regex, given.choice, given.grammar), strict=True)
    found = _of_values({f"structured_outputs.{kind}": value for kind, value in values})
    if given.json_object:
        found["structured_outputs.json_object"] = Grammar("json_object")
    if not found:
        raise InvalidRequest(
            "Invalid value for 'structured_outputs': name one of json, regex, choice, grammar, json_object.",
            param="structured_outputs",
        )
    return found


def of_format(wanted: ResponseFormat, at: str = "response_format") -> Grammar | None:
    """What a format at the path `at` asks for; None for text. Raises InvalidRequest."""
    if wanted.type not in FORMATS:
        if wanted.type == "structural_tag":
            raise unsupported(f"{at}.type", "use tools with strict schemas")
        names = ", ".join(f"'{name}'" for name in FORMATS)
        raise InvalidRequest(f"Invalid value for '{at}.type'. Supported values are: {names}.", param=f"{at}.type")
    if wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return of_schema(wanted.schema_, f"{at}.schema") if wanted.schema_ is not None else Grammar("json_object")
    if wanted.json_schema is None:
        raise InvalidRequest(f"Missing required parameter: '{at}.json_schema'.", param=f"{at}.json_schema")
    check_format_name(wanted.json_schema.name, f"{at}.json_schema.name")
    return of_schema(wanted.json_schema.schema_, f"{at}.json_schema.schema", strict=bool(wanted.json_schema.strict))


def check_format_name(name: str, param: str) -> None:
    """Raises InvalidRequest."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"Invalid value for '{param}': it must match '^{_NAME.pattern}$'.", param=param)


def of_schema(schema: Mapping[str, Any] | None, param: str, *, strict: bool = False) -> Grammar:
    """`strict`: every keyword must bind.

    Raises InvalidRequest for a schema that is missing, or that no answer can be held to.
    """
    if schema is None:
        raise InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    return Grammar("json_schema", check_schema(schema, param), strict)


def _of_values(values: Mapping[str, Any]) -> dict[str, Grammar]:
    """Grammars of vLLM's four kinds by the names under which they were given, in the order of `values`."""
    found: dict[str, Grammar] = {}
    for (param, value), kind in zip(values.items(), _KINDS, strict=True):
        if value is None:
            continue
        if kind == "json":
            found[param] = of_schema(_read(value, param) if isinstance(value, str) else value, param)
        elif kind == "regex":
            found[param] = Grammar("regex", check_regex(value, param))
        elif kind == "choice":
            found[param] = Grammar("choice", check_choices(value, param))
        else:
            found[param] = Grammar("lark", check_lark(value, param))
    return found


def _read(text: str, param: str) -> dict[str, Any]:
    """A schema that came as text, which nothing has looked at yet."""
    try:
        found = json.loads(text) if len(text) <= MAX_SCHEMA else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest(f"Invalid schema for '{param}': it is not the JSON text of a schema.", param=param)
    return found
