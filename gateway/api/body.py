"""Reads a JSON body: strict UTF-8, an object, bounded depth, no lone surrogates; large ones are parsed in a thread."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn

from starlette.requests import Request

from shared.errors import InvalidRequest

THREAD_FROM = 256 * 1024  # bytes; parsing more than this would stall every other stream
MAX_DEPTH = 128  # the templates and validators behind us recurse

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


async def read_json(request: Request) -> dict[str, Any]:
    """The body as an object. Raises InvalidRequest, PayloadTooLarge."""
    body = await request.body()
    if len(body) > THREAD_FROM:
        return await asyncio.to_thread(parse_json, body)
    return parse_json(body)


def parse_json(body: bytes) -> dict[str, Any]:
    """Raises InvalidRequest; the message never quotes the body."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The request body is not valid UTF-8 (byte {error.start}).") from None
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # an integer of thousands of digits
        raise InvalidRequest("The request body is not valid JSON: a number is too long.") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    _check(value, surrogates=_SURROGATE_ESCAPE.search(text) is not None)
    return value


def _no_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request body is not valid JSON: {name} is not a number.")


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _check(root: dict[str, Any], surrogates: bool) -> None:
    """Walks the containers without recursion; texts are looked at only when the body can hold a surrogate."""
    level: list[tuple[str, Any]] = [("", root)]
    for _ in range(MAX_DEPTH):
        inner: list[tuple[str, Any]] = []
        for path, container in level:
            for at, value in _items(path, container, surrogates):
                if isinstance(value, dict | list):
                    inner.append((at, value))
                elif surrogates and isinstance(value, str):
                    _check_text(value, at)
        if not inner:
            return
        level = inner
    raise _too_deep()


def _items(path: str, container: Any, named: bool) -> list[tuple[str, Any]]:
    """The children with their paths, which are spelled out only when an error may need one."""
    if isinstance(container, list):
        return [(f"{path}[{index}]" if named else "", value) for index, value in enumerate(container)]
    if named:
        for key in container:
            _check_text(key, path)
    return [((f"{path}.{key}" if path else key) if named else "", value) for key, value in container.items()]


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        where = f"Invalid value for '{path}': it" if path else "The request body"
        raise InvalidRequest(f"{where} holds half of a surrogate pair.", param=path or None) from None
