"""Google's `call:NAME{key:value}`, in which strings stand between a token of its own and keys have no quotes.

Calls of offered tools are read without their token as well: at the start of a line, behind `<call>`, and in the fenced
block of Python that small checkpoints fall back into.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import Lark, as_json, quote, schema
from workers.generation.calls.properties import Argument, arguments_of, is_plain
from workers.generation.calls.pythonic import python_arguments, python_call
from workers.generation.calls.reader import BareReader, Reader
from workers.generation.calls.source import BrokenCallError, Steps

_NAME = re.compile(r"[A-Za-z_]\w*")
_CODE, _FENCE = "```tool_code", "```"
_CALL, _TAG = "call:", "<call>"


@dataclass(frozen=True)
class Gemma:
    name: str
    start: str
    end: str
    delimiter: str

    @property
    def markers(self) -> tuple[str, ...]:
        return self.start, self.end, self.delimiter

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return BareReader((self.start, _CODE, _TAG), (_CALL,), self._section, tools, (self.end,))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark = Lark(spell)
        bodies = [self._call(lark, at, tool, required or tool.strict) for at, tool in enumerate(tools)]
        lark.rule("call_section", f"({' | '.join(bodies)}) {spell(self.end)}")
        return lark.answer(self.start, "call_section", required=required, repeats=parallel)

    def _call(self, lark: Lark, at: int, tool: Tool, valid: bool) -> str:
        """Nested values are JSON, which is read as well; so are all arguments where a schema binds them together."""
        head = f"call:{tool.name}"
        if valid and not is_plain(tool):
            return f"{quote(head)} {lark.rule(f'call_value_{at}', as_json(schema(tool)))}"
        listed = arguments_of(lark, at, tool, partial(self._argument, lark), separator=",", valid=valid)
        return f"{quote(head + '{')} {listed} {quote('}')}"

    def _argument(self, lark: Lark, argument: Argument) -> str:
        name = argument.name if _NAME.fullmatch(argument.name) else quote(argument.name)
        if argument.types == {"string"}:
            opening = f"{quote(f'{name}:')} {lark.spell(self.delimiter)}"
            return f"{opening} {argument.text_rule(lark, self.delimiter)}"
        return f"{quote(f'{name}:')} {argument.json_rule(lark)}"

    def _section(self, reader: Reader, mark: str) -> Steps[None]:
        """One call, or several side by side; some checkpoints leave out `call`."""
        if mark == _CODE:
            yield from _code(reader)
            return
        marked = mark == self.start
        if marked:
            yield from reader.source.space()
            if (yield from reader.source.follows(":")):
                yield from reader.source.follows(_CALL)
            else:
                yield from reader.source.expect(_CALL)
        yield from self._read_call(reader, offered_only=not marked)
        while (yield from reader.another(_CALL)):
            yield from self._read_call(reader, offered_only=not marked)
        yield from reader.close(self.end)

    def _read_call(self, reader: Reader, offered_only: bool) -> Steps[None]:
        """Behind `call:`. With parentheses the arguments are Python's; without any the name is all there is."""
        source = reader.source
        name = yield from source.word()
        if offered_only and name not in reader.tools:
            raise BrokenCallError(name)
        char = yield from source.space()
        if char == "(":
            yield from python_arguments(reader, name)
        elif char == "{":
            yield from reader.begin(name)
            yield from reader.stream(JsonStream(self.delimiter, bare=True))
            yield from reader.end()
        else:
            more, _ = yield from source.until(*"{}()<\n")
            source.skip(-1)
            yield from source.expect(self.end)
            yield from reader.begin(f"{name} {more}".strip())
            yield from reader.pass_on("{}")
            yield from reader.end()


def _code(reader: Reader) -> Steps[None]:
    """Calls in a block of Python, a line each, printed or not."""
    source, more = reader.source, True
    while more:
        yield from source.space()
        printed = yield from source.follows("print(")
        yield from source.follows("default_api.")
        yield from python_call(reader, offered_only=True)
        if printed:
            yield from reader.close(")")
        more = not (yield from reader.close(_FENCE)) and (yield from source.space()).isalpha()


FUNCTION_GEMMA = Gemma("function_gemma", "<start_function_call>", "<end_function_call>", "<escape>")
GEMMA4 = Gemma("gemma4", "<|tool_call>", "<tool_call|>", '<|"|>')
