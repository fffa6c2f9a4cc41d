"""gpt-oss. https://cookbook.openai.com/articles/openai-harmony

    <|channel|>analysis<|message|>THOUGHT<|end|>
    <|start|>assistant<|channel|>commentary<|message|>TEXT BEFORE CALLS<|end|>
    <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>ARGUMENTS<|call|>
    <|start|>assistant<|channel|>final<|message|>ANSWER<|return|>

The recipient may also stand before the channel. Calls are handed to the call reader as markup, in the shape shown here
from `<|channel|>` on; everything else leaves its headers behind.
"""

from __future__ import annotations

import re

from workers.generation.calls.format import Spell
from workers.generation.calls.lark import TEXT
from workers.generation.reasoning.format import Channel, ThoughtReader
from workers.generation.reasoning.messages import MESSAGE, START, Headers, MessageReader

CHANNEL, CONSTRAIN, END = "<|channel|>", "<|constrain|>", "<|end|>"
_RECIPIENT = re.compile(r"to=(functions\.[^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")


def _read(head: str) -> tuple[Channel, str | None]:
    recipient, channel = _RECIPIENT.search(head), _CHANNEL.search(head)
    if recipient is not None:
        kind = f" {CONSTRAIN}json" if CONSTRAIN in head else ""
        return "answer", f"{CHANNEL}commentary to={recipient[1]}{kind}{MESSAGE}"
    return "reasoning" if channel is not None and channel[1] == "analysis" else "answer", None


_HEADERS = Headers(
    heads=(START, CHANNEL, CONSTRAIN, "to="),
    again=(START, CHANNEL),
    ends=(END, "<|return|>", "<|call|>"),
    read=_read,
    call_end="<|call|>",
)


class Harmony:
    name = "harmony"
    markers = (CHANNEL, MESSAGE, START, CONSTRAIN, *_HEADERS.ends)
    opening = f"{CHANNEL}analysis{MESSAGE}"
    closing = f"{END}{START}assistant"  # the model chooses the next channel: a call may follow
    answering = f"{CHANNEL}final{MESSAGE}"

    def opened(self, prompt: str) -> bool:
        return prompt.endswith(self.opening)

    def reader(self, opened: bool) -> ThoughtReader:
        return MessageReader(_HEADERS, opened)

    def grammar(self, spell: Spell, *, prompt: str, calls: bool = False) -> str:
        channel, message = spell(CHANNEL), spell(MESSAGE)
        rules = "last: answer\n" if calls else f'last: {channel} "final" {message} answer\n'
        return message_rules(spell, END, f'{channel} "analysis" {message}', rules, prompt, self.opened(prompt))


def message_rules(spell: Spell, end: str, head: str, rules: str, prompt: str, opened: bool) -> str:
    """A thought's message in front of rule `last`; `head` is its header."""
    if prompt.endswith(MESSAGE) and not opened:
        return "start: answer\n"
    lazy = "[lazy]" if spell(end).startswith('"') else ""
    rules += f'thought_body: thought_text {spell(START)} "assistant"\nthought_text{lazy}: {TEXT} {spell(end)}\n'
    if opened:
        return f"start: thought_body last\n{rules}"
    return f"start: thought? last\nthought: {head} thought_body\n{rules}"
