"""gpt-oss: `<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>`.

The reader of thoughts hands calls on in this shape and keeps the headers of all other messages, so only these arrive
here; the grammar covers a whole message, header included.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.json_stream import JsonStream
from workers.generation.calls.lark import TEXT, Lark, json_arguments, quote
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import BrokenCallError, Steps

_CHANNEL, _MESSAGE, _CONSTRAIN, _CALL = "<|channel|>", "<|message|>", "<|constrain|>", "<|call|>"
_START = f"{_CHANNEL}commentary to="


class Harmony:
    name = "harmony"
    markers: tuple[str, ...] = (_CHANNEL, _MESSAGE, _CONSTRAIN, _CALL)

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        return Reader((_START,), _section, tools, (_CALL,))

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        """One call an answer, whatever `parallel` says: `<|call|>` ends the turn."""
        lark = Lark(spell)
        channel, message = spell(_CHANNEL), spell(_MESSAGE)
        middle, end = f"{quote(' ')} {spell(_CONSTRAIN)} {quote('json')} {message}", f"{spell(_CALL)}?"
        calls = [
            f"{channel} {quote(f'commentary to=functions.{t.name}')} {middle} {rule} {end}"
            for t, rule in zip(tools, json_arguments(lark, tools, required), strict=True)
        ]
        lark.rule("call_text", TEXT)
        text = [] if required else [f"{channel} {quote('final')} {message} call_text"]
        lark.one_of("answer", (*calls, *text))
        return str(lark)


def _section(reader: Reader, mark: str) -> Steps[None]:
    source = reader.source
    recipient = yield from source.word()
    head, _ = yield from source.until(_MESSAGE)
    if head.replace(_CONSTRAIN, "").strip() not in ("", "json", "code"):
        raise BrokenCallError("no header")
    yield from reader.begin(recipient.removeprefix("functions."))
    char = yield from source.space()
    if char == "{":
        yield from reader.stream(JsonStream())
    elif char in ("<", ""):
        yield from reader.pass_on("{}")
    else:
        raise BrokenCallError("arguments are no object")
    yield from reader.end()
    yield from reader.close(_CALL)
