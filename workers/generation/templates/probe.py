"""A chat template asked with made conversations. Templates are programs: reading them tells less than running them.

minja does the same for llama.cpp, see https://github.com/ochafik/minja/blob/main/docs/CAPABILITIES_AND_POLYFILLS.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from workers.generation.templates.traits import Calls, TemplateTraits

Message = dict[str, Any]
Render = Callable[[Sequence[Message]], str]
"""Writes messages in a template's shape, behind them the beginning of an answer. May raise anything."""

_NAMES = ("probe_weather", "probe_clock")
_VALUES = ("Quellenort", "Zweitstadt")
_RESULTS = ("resultone", "resulttwo")
_LONG_IDS = ("call_0123456789abcdef01234567", "call_89abcdef0123456789abcdef")
_SHORT_IDS = ("abcdef012", "abcdef345")
_ODD_IDS = ("x:1", "x:2")
_BRIDGES = ("", "OK.")

TOOL: Message = {
    "type": "function",
    "function": {
        "name": _NAMES[0],
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
"""What the renderer of `tools` gets as the only tool."""


def probe_template(render: Render, render_tools: Render | None = None) -> TemplateTraits:
    """What the template that `render` runs takes; `render_tools` runs it with TOOL, left out: `render` has it already.

    A template that doesn't even write one user turn is taken for one that takes everything.
    """
    parts = _wants_parts(render)
    asked = _Asked(_with_parts(render) if parts else render)
    if not asked.writes(_user(1)):
        return TemplateTraits()
    with_tool = render if render_tools is None else render_tools
    asked_with_tool = _Asked(_with_parts(with_tool) if parts else with_tool)
    traits = replace(_probe_turns(asked), parts=parts, tools=_tells_tools(asked_with_tool))
    return _probe_calls(asked, _with_tools_told(asked_with_tool, traits))


def _with_tools_told(asked: _Asked, traits: TemplateTraits) -> TemplateTraits:
    """Some templates tell the tools in a system message alone, in a user turn alone, or only where one is the first."""
    if not traits.tools:
        return traits
    if not _all_in(asked.text(_user(1)), [_NAMES[0]]):
        return replace(traits, systemless_tools=False)
    first, alone = (_all_in(asked.text(*messages), [_NAMES[0]]) for messages in ([_said(1), _user(1)], [_said(1)]))
    return replace(traits, assistant_first=traits.assistant_first and first, userless=traits.userless and alone)


def _probe_turns(asked: _Asked) -> TemplateTraits:
    system = asked.writes(_system(1), _user(1)) and asked.writes(_system(1), _user(1), _said(1), _user(2))
    front = [_system(1)] if system else []
    later = (
        [_user(1), _said(1), _system(3), _user(2)],
        [_user(1), _system(3)],
        [_user(1), _system(3), _said(1), _user(2)],
    )
    return TemplateTraits(
        system=system,
        systems=system and asked.tells_apart([_system(1)], _system(2), _user(1)),
        later_system=all(asked.writes(*front, *messages) for messages in later),
        repeated_user=asked.writes(_user(1), _user(2)),
        repeated_assistant=asked.writes(_user(1), _said(1), _said(2), _user(2)),
        assistant_first=asked.tells_apart([], _said(1), _user(1)) and asked.tells_apart(front, _said(1), _user(1)),
        empty_assistant=asked.takes(_user(1), _said(1, ""), _user(2)),
        userless=asked.writes(_said(1)) and asked.takes(_system(1)),
    )


def _tells_tools(asked: _Asked) -> bool:
    """Some templates tell them in a system message alone."""
    texts = (asked.text(*front, _user(1)) for front in ([], [_system(1)]))
    return any(_all_in(text, (_NAMES[0], "city")) for text in texts)


class _Asked:
    """Whether conversations come through a template."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def text(self, *messages: Message) -> str | None:
        """None: the template refused them."""
        try:
            return self._render(messages)
        except Exception:
            # A template is a program that comes with the model: it may raise anything.
            return None

    def takes(self, *messages: Message) -> bool:
        return self.text(*messages) is not None

    def writes(self, *messages: Message) -> bool:
        """Whether what each message says stands in the text."""
        text = self.text(*messages)
        return text is not None and all(message["content"] in text for message in messages)

    def tells_apart(self, before: Sequence[Message], message: Message, behind: Message) -> bool:
        """Whether a message is written, and otherwise than a user's: some templates don't look at the first roles."""
        text = self.text(*before, message, behind)
        return self.writes(*before, message, behind) and text != self.text(*before, {**message, "role": "user"}, behind)


# ------------------------------------------------------------------ calls
def _probe_calls(asked: _Asked, traits: TemplateTraits) -> TemplateTraits:
    """The shape in which calls are written, the present one first."""
    taken: list[str] = []
    for ids, named, content in product((_LONG_IDS, _SHORT_IDS), (False, True), ("", None)):
        made = _Made(ids, named, content)
        given = [asked.text(*made.loop(as_text)) for as_text in (False, True)]
        taken += [text for text in given if text is not None]
        objects, strings = _as_object(given[0]), _as_text(given[1])
        if objects or strings:
            found = replace(
                traits,
                object_arguments=objects,
                text_arguments=strings,
                no_content=content is None,
                any_call_id=ids is _LONG_IDS and asked.takes(*replace(made, ids=_ODD_IDS).loop(not objects)),
            )
            return _probe_around_calls(asked, found, made)
    if not taken:
        return replace(traits, calls=Calls.REFUSED)
    return replace(traits, calls=Calls.RESULTS_ONLY if _all_in(taken[0], _RESULTS) else Calls.DROPPED)


def _probe_around_calls(asked: _Asked, traits: TemplateTraits, made: _Made) -> TemplateTraits:
    as_text = not traits.object_arguments
    beside = asked.text(_user(1), replace(made, content="saidbefore").call(1, as_text), made.result(0))
    both = asked.text(_user(1), made.call(2, as_text), made.result(0), made.result(1))
    loop = [_user(1), made.call(1, as_text), made.result(0)]
    named = [*loop[:2], replace(made, named=True).result(0)]
    system = traits.system and _all_in(asked.text(_system(1), *made.loop(as_text)), [_system(1)["content"]])
    bridge = None
    if not asked.takes(*loop, _user(2)):
        bridge = next((text for text in _BRIDGES if asked.takes(*loop, _said(1, text), _user(2))), None)
    return replace(
        traits,
        system=system,
        systems=traits.systems and system,
        calls_beside_text=_all_in(beside, ("saidbefore", _NAMES[0])),
        parallel_calls=both is not None and all(text in both for text in (*_NAMES, *_VALUES, *_RESULTS)),
        nameless_results=not made.named and asked.text(*named) == asked.text(*loop),
        media_results=_places_media(asked, loop),
        loose_results=_takes_loose(asked, made, as_text),
        bridge=bridge,
    )


def _takes_loose(asked: _Asked, made: _Made, as_text: bool) -> bool:
    """Results without a call, two for one, calls without a result."""
    call, result = made.call(1, as_text), made.result(0)
    second = made.result(1, answers=0)
    return (
        _all_in(asked.text(_user(1), result, _said(1)), [_RESULTS[0]])
        and _all_in(asked.text(_user(1), call, result, second, _said(1)), _RESULTS)
        and _all_in(asked.text(_user(1), call, _user(2)), [_NAMES[0], _user(2)["content"]])
        and _all_in(asked.text(_user(1), made.call(2, as_text), result, _said(1)), [_RESULTS[0]])
    )


def _places_media(asked: _Asked, loop: Sequence[Message]) -> bool:
    """Whether a picture in a result leaves a trace in the text; only those who read pictures will send one."""
    text, image = {"type": "text", "text": _RESULTS[0]}, {"type": "image"}
    shown, plain = (asked.text(*loop[:2], {**loop[2], "content": parts}) for parts in ([text, image], [text]))
    return shown is not None and shown != plain and _RESULTS[0] in shown and "'type'" not in shown


def _as_object(text: str | None) -> bool:
    """Whether an object was written, and not in Python's spelling."""
    return _all_in(text, [_NAMES[0], _VALUES[0], *_RESULTS]) and f"'{_VALUES[0]}'" not in (text or "")


def _as_text(text: str | None) -> bool:
    return _all_in(text, [_NAMES[0], json.dumps({"city": _VALUES[0]}), *_RESULTS])


def _all_in(text: str | None, wanted: Iterable[str]) -> bool:
    return text is not None and all(one in text for one in wanted)


# ------------------------------------------------------------------ made messages
def _system(number: int) -> Message:
    return {"role": "system", "content": f"rulenumber{number}"}


def _user(number: int) -> Message:
    return {"role": "user", "content": f"usersays{number}"}


def _said(number: int, text: str | None = None) -> Message:
    return {"role": "assistant", "content": f"modelsays{number}" if text is None else text}


@dataclass(frozen=True, slots=True)
class _Made:
    """Calls and results of one shape."""

    ids: tuple[str, str]
    named: bool
    content: str | None

    def call(self, count: int, as_text: bool) -> Message:
        calls = []
        for name, value, call_id in zip(_NAMES[:count], _VALUES, self.ids, strict=False):
            given: Any = {"city": value}
            function = {"name": name, "arguments": json.dumps(given) if as_text else given}
            calls.append({"id": call_id, "type": "function", "function": function})
        return {"role": "assistant", "content": self.content, "tool_calls": calls}

    def result(self, number: int, answers: int | None = None) -> Message:
        name = number if answers is None else answers
        found = {"role": "tool", "content": _RESULTS[number], "tool_call_id": self.ids[name]}
        return found | ({"name": _NAMES[name]} if self.named else {})

    def loop(self, as_text: bool) -> list[Message]:
        """Two calls, one after the other, as an agent makes them."""
        one = self.call(1, as_text)
        return [_user(1), one, self.result(0), one, self.result(1, answers=0)]


def _wants_parts(render: Render) -> bool:
    """Whether plain text is lost or refused where a list of parts is written."""
    return not _Asked(render).writes(_user(1)) and _Asked(_with_parts(render)).writes(_user(1))


def _with_parts(render: Render) -> Render:
    def shaped(message: Message) -> Message:
        text = message["content"]
        if isinstance(text, list):
            return message
        return {**message, "content": [{"type": "text", "text": text}] if text else []}

    return lambda messages: render([shaped(message) for message in messages])
