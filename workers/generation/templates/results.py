"""Tools' results where their calls are: many templates tell which result is whose by the order alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.messages import ChatMessage, TextPart, ToolCall
from workers.generation.templates.spoken import result_as_text
from workers.generation.templates.turns import joined

NO_RESULT = "[no result]"


def in_order(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Results right behind their calls in the order of these; all others stay where they are."""
    found = list(messages)
    for at, message in enumerate(messages):
        if len(message.tool_calls) > 1:
            end = at + 1 + len(_behind(messages, at))
            places = {call.id: place for place, call in reversed(list(enumerate(message.tool_calls)))}
            found[at + 1 : end] = sorted(
                found[at + 1 : end], key=lambda result: places.get(result.tool_call_id or "", len(places))
            )
    return found


def paired(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """One result behind each call; results without a call are text of the user.

    A result is found by its id, however late it comes; one of an unknown id right behind the calls belongs to the first
    that has none. Calls that end the conversation may still be open.
    """
    found: list[ChatMessage] = []
    taken: set[int] = set()
    for at, message in enumerate(messages):
        if at in taken:
            continue
        found.append(result_as_text(message) if message.role == "tool" else message)
        if message.tool_calls:
            groups = _groups(messages, at, taken)
            if at + 1 < len(messages):
                found += [_one(call, group) for call, group in zip(message.tool_calls, groups, strict=True)]
    return found


def no_result(call: ToolCall) -> ChatMessage:
    return ChatMessage("tool", (TextPart(NO_RESULT),), name=call.name, tool_call_id=call.id)


def _behind(messages: Sequence[ChatMessage], at: int) -> list[ChatMessage]:
    """The results that follow a turn at once."""
    end = at + 1
    while end < len(messages) and messages[end].role == "tool":
        end += 1
    return list(messages[at + 1 : end])


def _groups(messages: Sequence[ChatMessage], at: int, taken: set[int]) -> list[list[ChatMessage]]:
    """The results of each call of the turn `at`, whose places go into `taken`."""
    calls = messages[at].tool_calls
    groups: list[list[ChatMessage]] = [[] for _ in calls]
    waiting = {call.id for call in calls}
    for place in range(at + 1, len(messages)):
        message = messages[place]
        waiting -= {call.id for call in message.tool_calls}  # ids may be used again
        if message.role == "tool" and place not in taken and message.tool_call_id in waiting:
            mine = [group for call, group in zip(calls, groups, strict=True) if call.id == message.tool_call_id]
            next((group for group in mine if not group), mine[-1]).append(message)
            taken.add(place)
    known = {call.id for message in messages for call in message.tool_calls}
    for place in range(at + 1, at + 1 + len(_behind(messages, at))):
        free = next((group for group in groups if not group), None)
        if free is not None and place not in taken and messages[place].tool_call_id not in known:
            free.append(messages[place])
            taken.add(place)
    return groups


def _one(call: ToolCall, results: Sequence[ChatMessage]) -> ChatMessage:
    if not results:
        return no_result(call)
    content = results[0].content
    for other in results[1:]:
        content = joined(content, other.content, "\n")
    return replace(results[0], content=content, tool_call_id=call.id)
