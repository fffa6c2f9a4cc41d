"""Calls that are JSON objects with a name and arguments, as most families write them.

Keys come in any order, others are passed over; arguments may be missing (none), null, or JSON in a string; OpenAI's
own nesting (`"function": {...}`) is read, too; and the brace that closes the object may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, CutCallError, Steps

_NAME = ("name", "tool_name", "function", "tool")
_ARGUMENTS = ("arguments", "parameters", "args")
_BESIDE = ("type", "id", "index")


class JsonCall:
    """One object. `offered`: without a marker before it, it is a call only with one of these names, and arguments."""

    def __init__(self, reader: Reader, offered: Collection[str] | None = None) -> None:
        self._reader = reader
        self._source = reader.source
        self._offered = offered
        self._name = ""
        self._id: str | None = None
        self._arguments: str | None = None  # that came before the name
        self._told = self._ended = False

    def read(self, opened: bool = False) -> Steps[None]:
        """`opened`: the first brace was the marker."""
        if not opened:
            yield from self._source.space()
            yield from self._source.expect("{")
        depth = 1
        while depth:
            char = yield from self._source.space()
            if char in ("}", ","):
                self._source.skip(1)
                depth -= char == "}"
            elif self._ended and char not in ('"', "'"):
                break  # a brace too few
            elif not char:
                raise CutCallError("object")
            else:
                depth += yield from self._member()
        if not self._ended:
            yield from self._finish()
        self._source.commit()

    def _member(self) -> Steps[int]:
        """Reads a key and its value; returns 1 when it has entered a nested object instead."""
        key = yield from self._text()
        yield from self._source.space()
        yield from self._source.expect(":")
        char = yield from self._source.space()
        if key in _NAME and char == "{" and not self._name:
            self._source.skip(1)
            return 1
        if key in _NAME and char in ('"', "'") and not self._name:
            self._name = yield from self._text()
            yield from self._named()
        elif key in _ARGUMENTS and not self._ended and self._arguments is None:
            yield from self._take_arguments(char)
        elif key == "id" and char in ('"', "'"):
            self._id = yield from self._text()
        elif self._offered is not None and not self._told and key not in _BESIDE:
            raise BrokenCallError(key)
        else:
            yield from self._reader.collect()
        return 0

    def _named(self) -> Steps[None]:
        if self._offered is not None and self._name not in self._offered:
            raise BrokenCallError(self._name)
        if self._arguments is not None:
            yield from self._finish()
        elif self._offered is None:
            yield from self._tell()

    def _tell(self) -> Steps[None]:
        self._told = True
        yield from self._reader.begin(self._name, self._id)

    def _take_arguments(self, char: str) -> Steps[None]:
        if char == "{" and self._name:
            if not self._told:
                yield from self._tell()
            yield from self._reader.stream(JsonStream())
            yield from self._end()
            return
        if self._told:
            self._source.commit()  # of what is no object the value is told, not the key
        self._arguments = as_object((yield from self._reader.collect()))
        if self._name:
            yield from self._finish()

    def _finish(self) -> Steps[None]:
        """Tells what was not told: the arguments came first, or as a string, or never."""
        if not self._told:
            if not self._name or (self._offered is not None and self._arguments is None):
                raise BrokenCallError("no call")
            yield from self._tell()
        yield from self._reader.pass_on(self._arguments or "{}")
        yield from self._end()

    def _end(self) -> Steps[None]:
        self._ended = True
        yield from self._reader.end()

    def _text(self) -> Steps[str]:
        value = loads((yield from self._reader.collect()))
        if not isinstance(value, str):
            raise BrokenCallError("no string")
        return value


def json_call(reader: Reader) -> Steps[None]:
    yield from JsonCall(reader).read()


def json_list(reader: Reader, opened: bool = False) -> Steps[None]:
    """`[{...}, {...}]`, or one object without its list. `opened`: the first bracket was in the marker."""
    source = reader.source
    if not opened and (yield from source.space()) != "[":
        yield from json_call(reader)
        return
    source.skip(not opened)
    yield from json_call(reader)
    while (yield from source.space()) == ",":
        source.skip(1)
        if (yield from source.space()) == "]":
            break
        yield from json_call(reader)
    yield from source.follows("]")


def loads(text: str) -> object:
    """JSON as a model writes it. Errors: BrokenCallError."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise BrokenCallError("no JSON") from error


def dumps(value: object) -> str:
    """JSON text that can be encoded, also when a string in it has half a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if any("\ud800" <= char <= "\udfff" for char in text) else text


def as_object(text: str) -> str:
    """Arguments that are not plainly an object: null, JSON in a string. Errors: BrokenCallError."""
    value = loads(text)
    if isinstance(value, str):
        value = loads(value) if value.strip() else None
        text = "" if value is None else dumps(value)
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise BrokenCallError("arguments are no object")
    return text
