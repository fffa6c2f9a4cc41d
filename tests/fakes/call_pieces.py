"""Reads an answer in parts and puts the pieces together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.messages import Tool
from workers.generation.calls.format import Arguments, CallBegins, CallFormat, Text


def read(fmt: CallFormat, tools: Sequence[Tool], parts: Sequence[str]) -> list[dict[str, Any]]:
    """Texts as {"text"}, calls as {"call", "id", "arguments", "whole"}, in order."""
    reader = fmt.reader(tools)
    pieces = [piece for part in parts for piece in reader.feed(part)]
    found: list[dict[str, Any]] = []
    call: dict[str, Any] = {}
    for piece in [*pieces, *reader.finish()]:
        if isinstance(piece, Text):
            if found and "text" in found[-1]:
                found[-1]["text"] += piece.text
            else:
                found.append({"text": piece.text})
        elif isinstance(piece, CallBegins):
            call = {"call": piece.name, **({"id": piece.id} if piece.id else {}), "arguments": "", "whole": False}
            found.append(call)
        elif isinstance(piece, Arguments):
            assert not call["whole"]
            call["arguments"] += piece.text
        else:
            assert not call["whole"]
            call["whole"] = piece.whole
    return found


def text_of(pieces: Sequence[dict[str, Any]]) -> str:
    return "".join(piece.get("text", "") for piece in pieces)


def calls_of(pieces: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """Name, arguments, and whether it is whole."""
    return [(piece["call"], piece["arguments"], piece["whole"]) for piece in pieces if "call" in piece]
