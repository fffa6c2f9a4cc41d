"""What a grammar may ask of the worker. llguidance bounds its own work by fuel; what its recursion and its memory don't
bound is bounded here, before any of its code sees a request's text (measured with llguidance 1.9.1).
"""

from __future__ import annotations

import re
from typing import Any

from llguidance import LLParserLimits

from shared.errors import InvalidRequest

MAX_TEXT = 256 * 1024  # characters of one grammar's text; 60 ms to compile
MAX_DEPTH = 100  # levels of a schema; its JSON parser stops at 128
MAX_LEVELS = 3000  # of all definitions together: the deepest that a chain of references can lead
MAX_PROPERTIES = 2000  # of one object
MAX_OPTIONAL = 400  # of them, those not required: the parser keeps items for each, 2000 at most
MAX_RULES = 2000  # of a Lark grammar, for the same reason
MAX_LITERAL = 4096  # characters; a forced text is tokenised again at every token, 10 ms a step for 10,000
MAX_CHOICES = 10_000
MAX_MULTIPLE = 1_000_000  # digits of a multipleOf without its point: the automaton has a state for each remainder
STACK = 256 * 1024 * 1024  # bytes, virtual: the stack of the thread that compiles
PATIENCE = 10.0  # seconds for one grammar

_RULE = re.compile(r"^[ \t]*[?!]*[A-Za-z_][\w-]*", re.MULTILINE)


def parser_limits() -> LLParserLimits:
    """llguidance's limits: about 20 ms of work for the first mask, 15 ms for each later one, and 100 MB of states."""
    return LLParserLimits(max_lexer_states=50_000, verbose_errors=False)


def check_text(text: str, param: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidRequest(f"the grammar has {len(text)} characters; at most {MAX_TEXT}", param=param)


def check_lark(text: str, param: str) -> None:
    rules = len(_RULE.findall(text)) + text.count(";")
    if rules > MAX_RULES:
        raise InvalidRequest(f"the grammar has more than {MAX_RULES} rules", param=param)


def depth_of(value: Any) -> int:
    """Levels of nested lists and objects, counted without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        inner, level = waiting.pop()
        if isinstance(inner, dict | list):
            deepest = max(deepest, level)
            waiting.extend((child, level + 1) for child in (inner.values() if isinstance(inner, dict) else inner))
    return deepest
