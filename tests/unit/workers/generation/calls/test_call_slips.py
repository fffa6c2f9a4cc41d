"""The families' own vectors with slips in them, as models make them: every family reads them as something sane."""

from __future__ import annotations

import random
import re

import pytest

from shared.messages import Tool
from tests.fakes.call_pieces import calls_of, read, text_of
from tests.unit.workers.generation.calls.test_call_vectors import NAMES, TOOLS, vectors
from workers.generation.calls.detect import by_name
from workers.generation.calls.reader import Reader, is_object

_ROUNDS = 60
_PIECES = re.compile(r"<[^<>\n]{1,40}>|\]<\]minimax\[>\[|\[[A-Z_]+\]|\w+|\s+|.", re.DOTALL)
_NOISE = ("}", "{", '"', "'", ",", ":", " ", "\n", "07", "oops", "null", "[", "]", ")", "(", "=", "\\", "é", "<", ">")


def slip(text: str, chance: random.Random) -> str:
    """Some pieces of a text dropped, written twice, exchanged or replaced."""
    pieces = _PIECES.findall(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(pieces))
        kind = chance.randrange(5)
        if kind == 0:
            pieces[at] = ""
        elif kind == 1:
            pieces.insert(at, pieces[at])
        elif kind == 2:
            pieces[at] = chance.choice(_NOISE)
        elif kind == 3:
            pieces.insert(at, chance.choice(pieces))
        else:
            del pieces[at + 1 :]
    return "".join(pieces)


def markup(name: str, tools: tuple[Tool, ...]) -> tuple[str, ...]:
    """What opens and closes a family's calls, other than single characters."""
    reader = by_name(name).reader(tools)
    assert isinstance(reader, Reader)
    return tuple(mark for mark in (*reader.marks, *reader.ends) if len(mark) > 1)


@pytest.mark.parametrize("name", NAMES)
def test_slips(name: str) -> None:
    fmt, chance, marks = by_name(name), random.Random(name), markup(name, TOOLS)
    texts = [vector["text"] for vector in vectors(name) if vector["text"]]
    for _ in range(_ROUNDS):
        text = slip(chance.choice(texts), chance)
        pieces = read(fmt, TOOLS, [text])
        cuts = sorted(chance.randrange(len(text) + 1) for _ in range(3))
        assert read(fmt, TOOLS, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]) == pieces, (
            text
        )
        assert read(fmt, TOOLS, list(text)) == pieces, text
        for _, arguments, whole in calls_of(pieces):
            assert is_object(arguments) == whole, text
        called = next((at for at, piece in enumerate(pieces) if "call" in piece), len(pieces))
        beside = text_of(pieces[called:])
        assert not [mark for mark in marks if mark in beside], (text, pieces)
