"""JSON that a model writes, passed on as it comes.

Valid JSON goes through verbatim. What models get wrong and what has only one reading is put right on the way: raw
control characters and unknown escapes in strings, single quotes, Python's constants, a comma too many, keys without
quotes, and the string delimiters that some families use in place of quotes. Anything else breaks the value; what
was passed on until then is never a whole value by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum, auto

from workers.generation.calls.python_words import as_number, follows_string, is_group, is_set, prefix

_PLAIN = {quote: re.compile(rf"[^{quote}\\\"\x00-\x1f]*") for quote in "\"'"}
_TOKEN = re.compile(r"[\w+.\-$]*")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_HEX = re.compile(r"[0-9a-fA-F]*")
_SPACES = " \t\r\n"
_SPACE = re.compile(r"[ \t\r\n]*")
_ENDS = re.compile(r"[)\]}]*")
_BARE = re.compile(r"[^,{}\[\]<>\"\n]*")
_CONSTANTS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_SET, _GROUP = "set", "group"  # a brace and a parenthesis that are no object's and no tuple's
_LOOK_AHEAD = 32  # nested brackets that may be sets and groups: each is read once more
_CLOSES = {"{": "}", "[": "]", "(": ")", _SET: "}", _GROUP: ")"}


class State(Enum):
    VALUE = auto()  # a value must come
    FIRST = auto()  # the first element or the end
    KEY = auto()
    COLON = auto()
    NEXT = auto()  # a comma or the end
    STRING = auto()
    ESCAPE = auto()
    RAW = auto()  # a string between the family's own delimiters
    TOKEN = auto()
    DONE = auto()
    BROKEN = auto()


class JsonStream:
    """One value. `delimiter` opens and closes the family's own strings, in which nothing is escaped.

    `bare`: words without quotes are strings, too. `python`: literals of Python are read (tuples and sets as lists,
    numbers and strings in all its spellings), and apostrophes within words.
    """

    def __init__(self, delimiter: str = "", *, bare: bool = False, python: bool = False) -> None:
        self._state = State.VALUE
        self._delimiter = delimiter
        self._bare = bare
        self._python = python
        self._stack: list[str] = []
        self._out: list[str] = []
        self._quote = '"'
        self._raw_escapes = False  # of Python's r"..."
        self._is_key = False
        self._last = False
        self._steps: dict[State, Callable[[str, int], int]] = {
            State.VALUE: self._value, State.FIRST: self._first, State.KEY: self._key, State.COLON: self._colon,
            State.NEXT: self._next, State.STRING: self._string, State.ESCAPE: self._escape, State.RAW: self._raw,
            State.TOKEN: self._token,
        }  # fmt: skip

    @property
    def done(self) -> bool:
        return self._state is State.DONE

    @property
    def broken(self) -> bool:
        return self._state is State.BROKEN

    def feed(self, text: str, last: bool = False) -> tuple[str, int]:
        """What `text` adds to the value, and how many of its characters were taken. `last`: no more text comes."""
        self._last = last
        self._out = []
        at = 0
        while at < len(text) and self._state not in (State.DONE, State.BROKEN):
            step = self._steps[self._state](text, at)
            if step < 0:  # what it is depends on what comes next
                break
            at = step
        return "".join(self._out), at

    # ------------------------------------------------------------------ between values
    def _space(self, text: str, at: int) -> int:
        end = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        self._out.append(text[at:end])
        return end

    def _value(self, text: str, at: int) -> int:
        char = text[at]
        if char.isspace():
            return self._space(text, at) if char in _SPACES else self._break(at)
        if char in "{[" or (char == "(" and self._python):
            return self._opening(text, at)
        self._is_key = False
        return self._scalar(text, at)

    def _opening(self, text: str, at: int) -> int:
        char = text[at]
        if self._python and char in "{(" and len(self._stack) < _LOOK_AHEAD:
            other = (is_set if char == "{" else is_group)(text, at + 1)
            if other is None:
                return -1
            char = char if not other else _SET if char == "{" else _GROUP
        self._stack.append(char)
        self._out.append("" if char == _GROUP else "{" if char == "{" else "[")
        self._state = State.VALUE if char == _GROUP else State.FIRST
        return at + 1

    def _first(self, text: str, at: int) -> int:
        char = text[at]
        if char in _SPACES:
            return self._space(text, at)
        if char == _CLOSES[self._stack[-1]]:
            return self._close(at)
        self._state = State.KEY if self._stack[-1] == "{" else State.VALUE
        return at

    def _key(self, text: str, at: int) -> int:
        if text[at] in _SPACES:
            return self._space(text, at)
        self._is_key = True
        return self._scalar(text, at)

    def _colon(self, text: str, at: int) -> int:
        if text[at] in _SPACES:
            return self._space(text, at)
        if text[at] != ":":
            return self._break(at)
        self._out.append(":")
        self._state = State.VALUE
        return at + 1

    def _next(self, text: str, at: int) -> int:
        char = text[at]
        if char in _SPACES:
            return self._space(text, at)
        if char == _CLOSES[self._stack[-1]]:
            return self._close(at)
        if char != "," or self._stack[-1] == _GROUP:
            return self._break(at)
        end = _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
        if end == len(text):
            return -1
        if text[end] == _CLOSES[self._stack[-1]]:  # a comma too many
            self._out.append(text[at + 1 : end])
            return self._close(end)
        self._out.append(text[at:end])
        self._state = State.KEY if self._stack[-1] == "{" else State.VALUE
        return end

    def _close(self, at: int) -> int:
        self._out.append({"{": "}", _GROUP: ""}.get(self._stack.pop(), "]"))
        self._ended()
        return at + 1

    def _ended(self) -> None:
        self._state = State.COLON if self._is_key else State.NEXT if self._stack else State.DONE
        self._is_key = False

    def _break(self, at: int) -> int:
        self._state = State.BROKEN
        return at

    # ------------------------------------------------------------------ strings and tokens
    def _scalar(self, text: str, at: int) -> int:
        char = text[at]
        if self._delimiter and self._delimiter.startswith(text[at : at + len(self._delimiter)]):
            if not text.startswith(self._delimiter, at):
                return -1
            self._out.append('"')
            self._state = State.RAW
            return at + len(self._delimiter)
        size = prefix(text, at) if self._python else 0
        if size is None:
            return -1
        if text[at + size] in "\"'":
            self._quote, self._raw_escapes = text[at + size], "r" in text[at : at + size].lower()
            self._out.append('"')
            self._state = State.STRING
            return at + size + 1
        if not (
            char.isalnum() or char in ("-_$+." if self._python else "-_$") or (self._bare and char not in ",:{}[]<>")
        ):
            return self._break(at)
        self._state = State.TOKEN
        return at

    def _string(self, text: str, at: int) -> int:
        end = _PLAIN[self._quote].match(text, at).end()  # type: ignore[union-attr]
        self._out.append(text[at:end])
        if end == len(text):
            return end
        char = text[end]
        if char == "\\":
            self._state = State.ESCAPE
            return end
        if char == self._quote:
            again = follows_string(text, end + 1) if self._python else 0
            closes = self._closes(text, end + 1) if again == 0 else None
            if again:
                self._quote = text[end + again]
                return end + again + 1
            if closes is None:
                return end if end > at else -1
            self._out.append('"' if closes else json.dumps(char)[1:-1])
            if closes:
                self._ended()
        else:  # a control character, or a double quote between single ones
            self._out.append(json.dumps(char)[1:-1])
        return end + 1

    def _closes(self, text: str, at: int) -> bool | None:
        """Whether a quote before `at` ends its string; None: not known yet.

        Some templates show Python strings without escapes, so there a quote within a word is an apostrophe, and one
        behind which brackets close up to another quote belongs to code in the string.
        """
        if not self._python:
            return True
        end = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if end == len(text):
            return None
        behind = _ENDS.match(text, end).end()  # type: ignore[union-attr]
        if behind == len(text):
            return True if self._last else None
        return text[end] in ",:" or (behind > end and text[behind] not in "\"'")

    def _escape(self, text: str, at: int) -> int:
        if at + 1 == len(text):
            return -1
        char, end = text[at + 1], at + 2
        if self._raw_escapes:
            self._out.append("\\\\" + json.dumps(char, ensure_ascii=False)[1:-1])
            self._state = State.STRING
            return end
        digits = 4 if char == "u" else 2 if char == "x" and self._python else 0
        if digits:
            found = _HEX.match(text, end)[0][:digits]  # type: ignore[index]
            if len(found) == digits:
                self._out.append("\\u" + found.rjust(4, "0"))
            elif end + len(found) == len(text):
                return -1
            else:
                self._out.append(f"\\\\{char}{found}")
            end += len(found)
        elif char in '"\\/bfnrt':
            self._out.append("\\" + char)
        elif char == "'":
            self._out.append("'")
        else:  # a backslash that stands for itself
            self._out.append("\\\\" + json.dumps(char, ensure_ascii=False)[1:-1])
        self._state = State.STRING
        return end

    def _raw(self, text: str, at: int) -> int:
        end = text.find(self._delimiter, at)
        stop = end if end >= 0 else len(text) - _overlap(text[at:], self._delimiter)
        self._out.append(json.dumps(text[at:stop], ensure_ascii=False)[1:-1])
        if end < 0:
            return stop if stop > at else -1
        self._out.append('"')
        self._ended()
        return end + len(self._delimiter)

    def _token(self, text: str, at: int) -> int:
        pattern = _BARE if self._bare and not self._is_key else _TOKEN
        end = pattern.match(text, at).end()  # type: ignore[union-attr]
        if end == len(text):
            return -1
        word = text[at:end].rstrip() if pattern is _BARE else text[at:end]
        spelled = json.dumps(word, ensure_ascii=False) if self._is_key else self._spell(word)
        if not spelled:
            return self._break(at)
        self._out.append(spelled)
        self._ended()
        return end

    def _spell(self, word: str) -> str:
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if NUMBER.fullmatch(word):
            return word
        if self._python and (number := as_number(word)):
            return number
        return json.dumps(word, ensure_ascii=False) if self._bare else ""


def _overlap(text: str, mark: str) -> int:
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:size])), 0)
