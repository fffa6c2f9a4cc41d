"""An agent's session of ten tool turns, in every dialect, over every form of template: no turn is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.request import parse_messages
from gateway.dialects.anthropic.request import to_generate as from_messages
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.request import parse_chat
from gateway.dialects.openai.request import to_generate as from_chat
from gateway.dialects.openai.responses.request import parse_responses, understand
from gateway.dialects.openai.responses.request import to_generate as from_responses
from shared.codec import decode, encode
from shared.errors import InvalidRequest
from shared.messages import Generate, Prompt
from tests.fakes.templates import FORMS, form, template

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
PNG = "aGk="
BROKEN = ('{"path": "a.txt", "content": "hel', "", "null", "[1]", "words", '{"path": "\\ud83d"}')

# One turn: what the user (or the client's system) says, then calls with their results, then the answer.
Turn = tuple[list[tuple[str, str]], list[tuple[str, str]], str]


def turn(number: int) -> Turn:
    arguments = BROKEN[number // 2 % len(BROKEN)] if number % 2 else json.dumps({"path": f"file{number}"})
    calls = [(f"call_{number}_a", arguments)]
    if number % 3 == 0:
        calls.append((f"toolu_{number}_b", '{"path": "second"}'))
    said = [("user", f"question{number}")]
    if number == 2:
        said.insert(0, ("system", "reminder2"))
    if number == 5:
        said += [("user", "again5"), ("system", "reminder5")]
    return said, calls, "" if number == 7 else f"answer{number}"


TURNS = [turn(number) for number in range(10)]
SYSTEM = ("rules-one", "rules-two")


def result(call_id: str) -> str:
    return f"result of {call_id}"


# ------------------------------------------------------------------ the session in each dialect
Body = dict[str, Any]


def chat(turns: Sequence[Turn], calling: bool) -> Generate:
    messages: list[Body] = [{"role": "system", "content": SYSTEM[0]}, {"role": "developer", "content": SYSTEM[1]}]
    for said, calls, answer in turns:
        messages += [{"role": role, "content": text} for role, text in said]
        messages.append({"role": "assistant", "content": None, "tool_calls": [
            {"id": call_id, "type": "function", "function": {"name": "read", "arguments": arguments}}
            for call_id, arguments in calls
        ]})  # fmt: skip
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        messages += [
            {"role": "tool", "tool_call_id": call_id, "content": [{"type": "text", "text": result(call_id)}, image]}
            for call_id, _ in calls
        ]
        messages.append({"role": "assistant", "content": answer or None})
    if calling:
        messages.pop()
    tools = [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}]
    return from_chat(parse_chat({"model": "m", "messages": messages, "tools": tools}), "r")


def responses(turns: Sequence[Turn], calling: bool) -> Generate:
    items: list[Body] = [{"type": "message", "role": "developer", "content": SYSTEM[1]}]
    for said, calls, answer in turns:
        items += [{"type": "message", "role": role, "content": text} for role, text in said]
        items += [
            {"type": "function_call", "call_id": call_id, "name": "read", "arguments": arguments}
            for call_id, arguments in calls
        ]
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
        for call_id, _ in calls:
            output = [{"type": "input_text", "text": result(call_id)}, image]
            items.append({"type": "function_call_output", "call_id": call_id, "output": output})
        items.append({"type": "message", "role": "assistant", "content": answer})
    if calling:
        items.pop()
    tools = [{"type": "function", "name": "read", "parameters": SCHEMA}]
    request = parse_responses({"model": "m", "input": items, "instructions": SYSTEM[0], "tools": tools})
    return from_responses(understand(request, tuple(request.input or ())), (), "r", MediaReader())


def anthropic(turns: Sequence[Turn], calling: bool) -> Generate:
    """Arguments as this surface has answered them: an object, or what was said in its wrapping."""
    messages: list[Body] = []
    for said, calls, answer in turns:
        messages += [{"role": role, "content": text} for role, text in said]
        messages.append({"role": "assistant", "content": [
            {"type": "tool_use", "id": call_id, "name": "read", "input": wrapped(arguments)}
            for call_id, arguments in calls
        ]})  # fmt: skip
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call_id,
                "content": [{"type": "text", "text": result(call_id)}, image],
            }
            for call_id, _ in calls
        ]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": "note beside the results"}]})
        messages.append({"role": "assistant", "content": answer})
    if calling:
        messages.pop()
    system = [{"type": "text", "text": text} for text in SYSTEM]
    tools = [{"name": "read", "input_schema": SCHEMA}]
    body = {"model": "m", "max_tokens": 9, "messages": messages, "system": system, "tools": tools}
    return from_messages(parse_messages(body), "r", ImageReader())


def wrapped(arguments: str) -> Any:
    try:
        found = json.loads(arguments or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"INVALID_JSON": arguments}


DIALECTS = {"chat": chat, "responses": responses, "messages": anthropic}


def prompt_of(work: Generate) -> Prompt:
    """As a worker gets it."""
    received = decode(encode(work))
    assert isinstance(received, Generate)
    return received.prompt


# ------------------------------------------------------------------ what has to hold
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", FORMS)
def test_a_session_of_ten_turns(name: str, dialect: str) -> None:
    learnt = form(name)
    for count in range(1, len(TURNS) + 1):
        written = learnt.write(prompt_of(DIALECTS[dialect](TURNS[:count], True)))
        for text in expected(TURNS[:count]):
            assert text in written or json.dumps(text)[1:-1] in written, (count, text)
        assert written.count("result of ") == sum(len(calls) for _, calls, _ in TURNS[:count])
        assert "[an image, which this model can't see]" in written
        assert written.encode()


def expected(turns: Sequence[Turn]) -> list[str]:
    """All that has been said by anybody."""
    found = [*SYSTEM]
    for said, calls, answer in turns:
        found += [text for _, text in said]
        found += [result(call_id) for call_id, _ in calls]
        found += [broken for _, broken in calls if broken in BROKEN[:1] + BROKEN[3:5]]
        found += [answer] if (said, calls, answer) != turns[-1] else []
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", [name for name in FORMS if name != "text_arguments"])
def test_each_turn_begins_as_the_one_before(name: str, dialect: str) -> None:
    """Otherwise no prefix would be found again. (A template that writes system texts first can't keep this.)"""
    learnt = form(name)

    def written(count: int, calling: bool) -> str:
        prompt = prompt_of(DIALECTS[dialect](TURNS[:count], calling))
        return learnt.write(replace(prompt, add_generation_prompt=False))

    for count in range(1, len(TURNS)):
        assert written(count + 1, True).startswith(written(count, True))


# ------------------------------------------------------------------ what can't be had
def refusal(text: str, *said: str, **more: Any) -> InvalidRequest:
    """Of a template's, for turns of user and assistant."""
    messages = [{"role": ("user", "assistant")[at % 2], "content": one} for at, one in enumerate(said)]
    with pytest.raises(InvalidRequest) as caught:
        template(text).write(from_chat(parse_chat({"model": "m", "messages": messages, **more}), "r").prompt)
    assert caught.value.param == "messages"
    return caught.value


SAY = "{% for m in messages %}{{ m.content }}{% endfor %}"


def test_a_refusal_names_the_message_and_the_reason() -> None:
    bombs = "{% for m in messages if 'bomb' in m.content %}{{ raise_exception('no bombs') }}{% endfor %}"
    error = refusal(bombs + SAY, "a", "b", "the bomb", "d", "e")
    assert error.message == "the model's chat template refused message 3 of 5 (user: 'the bomb'): no bombs"


def test_a_refusal_of_the_whole_names_no_message() -> None:
    odd = "{% if messages | length > 1 and not add_generation_prompt %}{{ raise_exception('odd') }}{% endif %}"
    error = refusal(odd + SAY, "a", "b", "c", add_generation_prompt=False)
    assert error.message == "the model's chat template refused the messages: odd"
