"""Building blocks for the grammars of call formats, in llguidance's Lark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from shared.messages import Tool
from workers.generation.calls.format import Spell

# Compact, one-line or indented, as the model has seen it, and never without end.
_SPACING = {"whitespace_flexible": False, "whitespace_pattern": r"\x20|\x0A(?:\x20{0,24}|\x09{0,8})"}

TEXT = r"/(?s:.*)/"
_TOKENS = re.compile(r"(<\|[^<>|]+\|>|｜DSML｜|\]<\]minimax\[>\[)")  # inside longer markers
NEWLINE = r'"\n"'


def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def tokens_in(text: str) -> list[str]:
    """The special tokens that stand within a text."""
    return _TOKENS.findall(text)


def schema(tool: Tool, valid: bool = True) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments, always an object's; `valid` false: any object."""
    found = json.loads(tool.parameters) if valid else {}
    return {**found, "type": "object"} if isinstance(found, dict) else {"type": "object"}


def as_json(document: Any) -> str:
    """A value that a JSON Schema admits; the schema is a document of its own, so its `$ref`s resolve in it."""
    if not isinstance(document, dict):
        return f"%json {json.dumps(document)}"
    return "%json " + json.dumps({"x-guidance": _SPACING, **document})


class Lark:
    """Rules as they are added. A call's rules are named by the position of its tool."""

    def __init__(self, spell: Spell) -> None:
        self.spell = spell
        self._rules: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._rules) + "\n"

    def rule(self, name: str, body: str, options: str = "") -> str:
        """Adds a rule and returns its name."""
        self._rules.append(f"{name}{f'[{options}]' if options else ''}: {body}")
        return name

    def one_of(self, name: str, bodies: Iterable[str]) -> str:
        return self.rule(name, " | ".join(bodies))

    def spelled(self, text: str) -> str:
        """Text with special tokens in it, one atom after the other."""
        return " ".join(self.spell(part) for part in _TOKENS.split(text) if part)

    def until(self, name: str, mark: str, content: str = TEXT) -> str:
        """Text up to and with the first `mark`, which it doesn't contain."""
        first, *rest = [self.spell(part) for part in _TOKENS.split(mark) if part]
        if not first.startswith('"'):  # text never matches a special token, but could spell it out
            terminal = self.rule(f"{name.upper()}_TEXT", f"{content} & ~{containing(mark)}")
            return self.rule(name, " ".join((terminal, first, *rest)))
        if not rest:
            return self.rule(name, f"{content} {first}", "lazy")
        return self.rule(name, " ".join((self.rule(f"{name}_text", f"{content} {first}", "lazy"), *rest)))

    def answer(self, mark: str, section: str, *, required: bool, repeats: bool, between: str = "") -> str:
        """Rule `answer` of a family whose calls begin with `mark` and go on with rule `section`.

        `repeats`: the section may come again, `between` standing before each further mark.
        """
        if required:
            first = f"{self.spelled(mark)} {section}"
            again = f" ({quote(between) + ' ' if between else ''}{first})*" if repeats else ""
            self.rule("answer", first + again)
            return str(self)
        head = self.until("call_head", mark)
        text = self.rule("call_text", TEXT)
        self.rule("answer", f"({head} {section})* {text}" if repeats else f"{text} | {head} {section}")
        return str(self)


def containing(text: str) -> str:
    """A regular expression of all that contains `text`, to be negated."""
    quoted = "".join(char if char.isalnum() else f"\\x{{{ord(char):x}}}" for char in text)
    return f"{TEXT[:-1]}{quoted}{TEXT[1:]}"


def json_arguments(lark: Lark, tools: Sequence[Tool], required: bool) -> list[str]:
    """A rule for each tool's arguments; where calls are optional, those of tools that aren't strict are any object."""
    return [
        lark.rule(f"call_arguments_{at}", as_json(schema(tool, valid=required or tool.strict)))
        for at, tool in enumerate(tools)
    ]


def json_list_body(call: str, parallel: bool) -> str:
    """`[{...}, {...}]`."""
    again = f" ({quote(', ')} {call})*" if parallel else ""
    return f"{quote('[')} {call}{again} {quote(']')}"


def json_calls(
    lark: Lark, tools: Sequence[Tool], required: bool, name_key: str = "name", key: str = "arguments"
) -> str:
    """Rule `call_object`: an object with a name and arguments."""
    arguments = json_arguments(lark, tools, required)
    return lark.one_of(
        "call_object", (_object(name_key, t.name, key, rule) for t, rule in zip(tools, arguments, strict=True))
    )


def _object(name_key: str, name: str, key: str, arguments: str) -> str:
    opening = f'{{"{name_key}": ' + quote(name) + f', "{key}": '
    return f"{quote(opening)} {arguments} {quote('}')}"
