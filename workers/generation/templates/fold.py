"""A conversation folded so that a template takes it. What the template takes as it is stays as it is.

A step looks at messages and what stands right before and behind them, so that the same history is written the same
way at the next turn, and its prefix is found again. Media keep their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.messages import ChatMessage, MediaPart, TextPart
from workers.generation.templates.results import in_order, no_result, paired
from workers.generation.templates.traits import TemplateTraits
from workers.generation.templates.turns import is_empty, merged

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 9
OPENING = "[The conversation begins.]"
SHOWN = "[shown below]"

Messages = list[ChatMessage]


def fold(
    messages: Sequence[ChatMessage], traits: TemplateTraits, *, continued: bool = False
) -> tuple[Messages, tuple[str, ...]]:
    """The messages as a template of `traits` takes them, and the names of the steps that changed something.

    `continued`: the last message is one that the model goes on with.
    """
    folded = list(messages)
    done: list[str] = []
    for what, step in _steps(traits, continued):
        before, folded = folded, step(folded)
        if folded != before:
            done.append(what)
    return folded, tuple(done)


def _steps(traits: TemplateTraits, continued: bool) -> list[tuple[str, Callable[[Messages], Messages]]]:
    """In order: whole turns first, then what is inside of them, then what stands between them."""
    steps: list[tuple[str, bool, Callable[[Messages], Messages]]] = [
        ("results to their calls", True, in_order if traits.loose_results else paired),
        ("system messages into user turns", True, lambda found: _systems(found, traits)),
        ("empty turns left out", not traits.empty_assistant, lambda found: _without_empty(found, continued)),
        ("media out of results", not traits.media_results, _media_behind),
        ("neighbours merged", True, lambda found: _without_repeats(found, traits)),
        ("one call a turn", not traits.parallel_calls, _one_call_a_turn),
        (
            "calls apart from text",
            not traits.calls_beside_text and traits.repeated_assistant,
            lambda found: [one for message in found for one in _apart(message)],
        ),
        ("results named", not traits.nameless_results, _named),
        ("short call ids", not traits.any_call_id, _short_ids),
        ("an answer before user turns", traits.bridge is not None, lambda found: _bridged(found, traits.bridge or "")),
        ("a user turn in front", True, lambda found: _opened(found, traits)),
    ]
    return [(what, step) for what, wanted, step in steps if wanted]


# ------------------------------------------------------------------ whole turns
def _systems(messages: Messages, traits: TemplateTraits) -> Messages:
    """A system message that can't stand where it is goes into the user turn before it, else into the one behind it."""
    found: Messages = []
    moved = False  # whether the last of `found` is made of system messages alone
    front = True
    for message in messages:
        front = front and message.role == "system"
        fits = message.role != "system" or (traits.system if front else traits.later_system)
        now = message if fits else replace(message, role="user", name=None)
        if found and found[-1].role == now.role == "user" and (moved or not fits):
            found[-1] = merged(found[-1], now)
            moved = moved and not fits
        else:
            found.append(now)
            moved = not fits
    return found


def _without_empty(messages: Messages, continued: bool) -> Messages:
    last = len(messages) - 1 if continued else None
    return [one for at, one in enumerate(messages) if at == last or one.role != "assistant" or not is_empty(one)]


def _media_behind(messages: Messages) -> Messages:
    """Media in results go into a user turn behind them, in order."""
    found: Messages = []
    media: list[MediaPart] = []
    for at, message in enumerate(messages):
        if message.role == "tool":
            media += [part for part in message.content if isinstance(part, MediaPart)]
            kept = [TextPart(SHOWN) if isinstance(part, MediaPart) else part for part in message.content]
            found.append(replace(message, content=tuple(kept)))
        else:
            found.append(message)
        if media and (at + 1 == len(messages) or messages[at + 1].role != "tool"):
            found.append(ChatMessage("user", tuple(media)))
            media = []
    return found


def _without_repeats(messages: Messages, traits: TemplateTraits) -> Messages:
    may_repeat = {
        "user": traits.repeated_user,
        "assistant": traits.repeated_assistant,
        "system": traits.systems or not traits.system,
    }
    found: Messages = []
    for message in messages:
        if found and found[-1].role == message.role and not may_repeat.get(message.role, True):
            found[-1] = merged(found[-1], message)
        else:
            found.append(message)
    return found


# ------------------------------------------------------------------ calls
def _one_call_a_turn(messages: Messages) -> Messages:
    """Parallel calls one after the other, each followed by its result."""
    found: Messages = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if len(message.tool_calls) < 2:
            found.append(message)
            continue
        begin = at
        while at < len(messages) and messages[at].role == "tool":
            at += 1
        found += _one_by_one(message, messages[begin:at])
    return found


def _one_by_one(message: ChatMessage, results: Messages) -> Messages:
    """A result without a call of its id answers the first call without one."""
    calls = message.tool_calls
    own = [[one for one in results if one.tool_call_id == call.id] for call in calls]
    known = {call.id for call in calls}
    for stray in (one for one in results if one.tool_call_id not in known):
        next((group for group in own if not group), own[-1]).append(stray)
    found: Messages = []
    for number, (call, group) in enumerate(zip(calls, own, strict=True)):
        begin = message if number == 0 else ChatMessage("assistant", name=message.name)
        found.append(replace(begin, tool_calls=(call,)))
        found += group or ([no_result(call)] if number < len(calls) - 1 else [])
    return found


def _apart(message: ChatMessage) -> Messages:
    if not message.tool_calls or is_empty(replace(message, tool_calls=())):
        return [message]
    return [replace(message, tool_calls=()), replace(message, content=(), reasoning=None)]


def _named(messages: Messages) -> Messages:
    names: dict[str, str] = {}
    found: Messages = []
    for message in messages:
        names |= {call.id: call.name for call in message.tool_calls}
        nameless = message.role == "tool" and message.name is None and message.tool_call_id in names
        found.append(replace(message, name=names[message.tool_call_id or ""]) if nameless else message)
    return found


def _short_ids(messages: Messages) -> Messages:
    """Results without an id get one as well: a template that looks at ids looks at all."""

    def shortened(message: ChatMessage) -> ChatMessage:
        calls = tuple(replace(call, id=_short_id(call.id)) for call in message.tool_calls)
        given = _short_id(message.tool_call_id or "") if message.role == "tool" else message.tool_call_id
        return replace(message, tool_calls=calls, tool_call_id=given)

    return [shortened(message) if message.tool_calls or message.role == "tool" else message for message in messages]


def _short_id(given: str) -> str:
    """The same for the same id; one that fits stays."""
    if len(given) == _ID_LENGTH and given.isascii() and given.isalnum():
        return given
    number = int.from_bytes(hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    digits = ""
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits


# ------------------------------------------------------------------ between turns
def _bridged(messages: Messages, text: str) -> Messages:
    found: Messages = []
    for message in messages:
        if message.role == "user" and found and found[-1].role == "tool":
            found.append(ChatMessage("assistant", (TextPart(text),) if text else ()))
        found.append(message)
    return found


def _opened(messages: Messages, traits: TemplateTraits) -> Messages:
    first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    if first < len(messages) and messages[first].role == "user":
        return messages
    if traits.assistant_first and (traits.userless or any(message.role == "user" for message in messages)):
        return messages
    return [*messages[:first], ChatMessage("user", (TextPart(OPENING),)), *messages[first:]]
