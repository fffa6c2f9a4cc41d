"""What a request's schemas, patterns and tool names may look like: pure checks, made at every dialect's door.

Whatever passes here is cheap to hand on; what a grammar's compiler still refuses, the worker says in the same words.
Nothing recurses: a body may be nested as deep as the gateway reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.dialects.schema_references import References
from shared.errors import InvalidRequest

MAX_SCHEMA = 256 * 1024  # bytes of JSON text
MAX_DEPTH = 64
MAX_PATTERN = 8192  # characters of a regular expression
MAX_REPEATED = 100_000  # characters that nested repetitions may stand for at least
MAX_LARK = 64 * 1024  # characters of a grammar
MAX_CHOICES = 1024
MAX_TOOLS = 512
MAX_TOOL_SCHEMAS = 2**21  # characters of all tools' schemas together

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_.-]+")  # OpenAI's and Anthropic's, and the dots of MCP's
_REPETITION = re.compile(r"\{(\d{1,9})(,?)(\d{0,9})\}")


def check_schema(schema: Mapping[str, Any] | bool, param: str, *, binding: bool = True) -> str:
    """The schema's JSON text. Raises InvalidRequest naming `param` for one that no answer could be held to.

    `binding` false: the model only reads it (a tool that is not strict), so references may point to the outside.
    """
    try:
        text = json.dumps(schema, ensure_ascii=False)
    except RecursionError:
        raise _too_deep(param) from None
    if len(text.encode()) > MAX_SCHEMA:
        raise _invalid(param, f"it is larger than {MAX_SCHEMA} bytes")
    if _is_deep(schema):
        raise _too_deep(param)
    references = References(schema)
    for node in references.schemas:
        target = node.get("$ref")
        if binding and isinstance(target, str) and references.find(target) is None:
            raise _invalid(param, f"'$ref' {_short(target)} points nowhere inside the schema")
        for pattern in _patterns(node):
            check_regex(pattern, param)
    endless = references.endless()
    if endless is not None:
        raise _invalid(param, f"'$ref' {_short(str(endless.get('$ref', '#')))} leads back to itself and can never end")
    return text


def check_tool_schemas(schemas: Sequence[tuple[Mapping[str, Any], str, bool]]) -> list[str]:
    """The JSON texts of the schemas of a request's tools, each given as (schema, path, whether it binds).

    Raises InvalidRequest as `check_schema` does, and when they are too large together.
    """
    texts: list[str] = []
    for schema, param, binding in schemas:
        texts.append(check_schema(schema, param, binding=binding))
        if sum(map(len, texts)) > MAX_TOOL_SCHEMAS:
            raise _invalid(_root(param), f"they are larger than {MAX_TOOL_SCHEMAS} characters together")
    return texts


def check_regex(pattern: str, param: str) -> str:
    """The pattern. Raises InvalidRequest for one that is too long, or repeats repetitions too often."""
    if not pattern:
        raise InvalidRequest(f"Invalid value for '{param}': it must not be empty.", param=param)
    if len(pattern) > MAX_PATTERN:
        raise _invalid(param, f"a pattern is longer than {MAX_PATTERN} characters", "pattern")
    if _repeated(pattern) > MAX_REPEATED:
        raise _invalid(param, f"a pattern repeats more than {MAX_REPEATED} characters", "pattern")
    return pattern


def check_lark(grammar: str, param: str) -> str:
    """The grammar. Raises InvalidRequest for an empty or too long one."""
    if not grammar.strip():
        raise InvalidRequest(f"Invalid value for '{param}': it must not be empty.", param=param)
    if len(grammar) > MAX_LARK:
        raise _invalid(param, f"it is longer than {MAX_LARK} characters", "grammar")
    return grammar


def check_choices(choices: Sequence[str], param: str) -> str:
    """The choices as a JSON list. Raises InvalidRequest when there is none, one is empty, or two are the same."""
    if not choices or not all(choices):
        raise InvalidRequest(f"Invalid value for '{param}': it must not be empty.", param=param)
    if len(choices) > MAX_CHOICES:
        raise _invalid(param, f"expected at most {MAX_CHOICES} items, but got {len(choices)}", "value")
    if len(set(choices)) < len(choices):
        raise _invalid(param, "its items must be different", "value")
    text = json.dumps(list(choices), ensure_ascii=False)
    if len(text.encode()) > MAX_SCHEMA:
        raise _invalid(param, f"it is larger than {MAX_SCHEMA} bytes", "value")
    return text


def check_tool_names(names: Sequence[str], params: Sequence[str], *, longest: int = 64) -> None:
    """Raises InvalidRequest naming one of `params`, the names' paths, or the tools' own when there are too many."""
    if len(names) > MAX_TOOLS:
        raise _invalid(_root(params[0]), f"expected at most {MAX_TOOLS} tools, but got {len(names)}", "value")
    seen: dict[str, str] = {}
    for name, param in zip(names, params, strict=True):
        if len(name) > longest or not _TOOL_NAME.fullmatch(name):
            what = f"it must match '^[a-zA-Z0-9_.-]{{1,{longest}}}$'"
            raise _invalid(param, what, "value")
        if name in seen:
            raise _invalid(param, f"Tool names must be unique, and {_short(name)} is also '{seen[name]}'", "value")
        seen[name] = param


def _root(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _too_deep(param: str) -> InvalidRequest:
    return _invalid(param, f"it is nested deeper than {MAX_DEPTH} levels")


def _invalid(param: str, what: str, noun: str = "schema") -> InvalidRequest:
    return InvalidRequest(f"Invalid {noun} for '{param}': {what}.", param=param)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 80 else repr(text[:80]) + "…"


def _is_deep(schema: Any) -> bool:
    level = [schema]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict | list):
                inner.extend(value.values() if isinstance(value, dict) else value)
        if not inner:
            return False
        level = inner
    return True


def _patterns(node: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(node.get("pattern"), str) and node["pattern"]:
        yield node["pattern"]
    if isinstance(node.get("patternProperties"), dict):
        yield from filter(None, node["patternProperties"])


def _repeated(pattern: str) -> int:
    """How many characters the pattern stands for when every counted repetition is written out; capped."""
    sizes, atom, at = [0], 0, 0  # of each open group so far; of the atom that a repetition would repeat
    while at < len(pattern):
        here = pattern[at]
        if repetition := _REPETITION.match(pattern, at):
            least, comma, most = repetition.groups()
            times = int(most or least) if comma else int(least)
            sizes[-1] += atom * max(times - 1, 0)
            at = repetition.end()
            atom = 0
        elif here == "(":
            sizes.append(0)
            at += 1
        elif here == ")" and len(sizes) > 1:
            atom = sizes.pop()
            sizes[-1] += atom
            at += 1
        else:
            atom = 1
            sizes[-1] += 1
            at = _end_of_class(pattern, at) if here == "[" else at + (2 if here == "\\" else 1)
        if sizes[-1] > MAX_REPEATED:
            break
    return sum(sizes)


def _end_of_class(pattern: str, start: int) -> int:
    at = start + 2 if pattern[start + 1 : start + 2] in ("]", "^") else start + 1
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
