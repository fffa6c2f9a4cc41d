"""Muse Spark: a header names who a message is for.

to=self<|message|>THOUGHT<|eom|>
<|start|>assistant to=NAME<|message|><atem:function_calls>CALLS
<|start|>assistant to=user<|message|>ANSWER<|eot|>
"""

from __future__ import annotations

from workers.generation.calls.format import Spell
from workers.generation.reasoning.format import Channel, ThoughtReader
from workers.generation.reasoning.harmony import message_rules
from workers.generation.reasoning.messages import MESSAGE, START, Headers, MessageReader

END = "<|eom|>"


def _read(head: str) -> tuple[Channel, str | None]:
    return "reasoning" if "to=self" in head.split() else "answer", None


_HEADERS = Headers(heads=(START, "to="), again=(START,), ends=(END, "<|eot|>"), read=_read)


class MuseSpark:
    name = "muse_spark"
    markers = (START, MESSAGE, *_HEADERS.ends)
    opening = f"to=self{MESSAGE}"
    closing = f"{END}{START}assistant"
    answering = f"to=user{MESSAGE}"

    def opened(self, prompt: str) -> bool:
        return prompt.endswith(self.opening)

    def reader(self, opened: bool) -> ThoughtReader:
        return MessageReader(_HEADERS, opened)

    def grammar(self, spell: Spell, *, prompt: str, calls: bool = False) -> str:
        message = spell(MESSAGE)
        name = r"[^<\s]+" if calls else "user"
        rules = f"last: / ?to={name}/ {message} answer\n"
        return message_rules(spell, END, f"/ ?to=self/ {message}", rules, prompt, self.opened(prompt))
