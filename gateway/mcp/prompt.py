"""The prompts of a conversation's turns: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gateway.mcp.events import ServerTool
from gateway.mcp.result import ToolResult
from gateway.mcp.turn import Call
from shared.errors import InvalidRequest
from shared.messages import ChatMessage, Generate, Prompt, TextPart, Tool, Usage


def with_tools(work: Generate, offered: Mapping[str, ServerTool]) -> Generate:
    """The work with the servers' tools behind the client's own.

    `callable_tools` may name a server's tools as `server__tool`, and all of a server's as `server__*`. Raises
    InvalidRequest where nothing has such a name, or where a call is forced and there is nothing to call.
    """
    own = {tool.name for tool in work.prompt.tools}
    names = tuple(found for name in work.callable_tools for found in _meant(name, own, offered))
    tools = tuple(Tool(name, tool.description, tool.input_schema) for name, tool in offered.items())
    prompt = replace(work.prompt, tools=work.prompt.tools + tools)
    if work.tool_choice == "required" and not prompt.tools:
        raise InvalidRequest("A tool has to be called, but none is there.", param="tool_choice")
    return replace(work, prompt=prompt, parse_tools=bool(prompt.tools), callable_tools=tuple(dict.fromkeys(names)))


def _meant(name: str, own: Collection[str], offered: Mapping[str, ServerTool]) -> list[str]:
    if name in own:
        return [name]
    found = [one for one, tool in offered.items() if name in (f"{tool.server}__{tool.name}", f"{tool.server}__*")]
    if not found:
        raise InvalidRequest(f"The tool `{name[:128]}` is not there.", param="tool_choice")
    return found


def next_turn(
    asked: Generate,
    before: Prompt,
    said: ChatMessage,
    results: Sequence[tuple[Call, ToolResult]],
    spent: Usage,
    number: int,
) -> Generate:
    """The work of turn `number` (from 2), after a turn that `said` something and called tools.

    `asked` is the request's own work, `before` the prompt of the turn that ended, `spent` the tokens of all turns.
    Forced calls and what stands at the beginning of an answer belong to the first turn alone.
    """
    sampling = asked.sampling
    if sampling.max_tokens is not None:
        sampling = replace(sampling, max_tokens=sampling.max_tokens - spent.completion_tokens)
    if sampling.min_tokens is not None:
        sampling = replace(sampling, min_tokens=max(0, sampling.min_tokens - spent.completion_tokens))
    return replace(
        asked,
        request=f"{asked.request}.{number}",
        prompt=_extended(before, said, results),
        sampling=sampling,
        parse_tools=True,
        tool_choice="auto",
        echo=False,
        prompt_logprobs=None,
    )


def _extended(before: Prompt, said: ChatMessage, results: Sequence[tuple[Call, ToolResult]]) -> Prompt:
    messages = before.messages
    if before.continue_final_message and messages:
        messages, said = messages[:-1], _continued(messages[-1], said)
    answers = tuple(_answer(call, result) for call, result in results)
    return replace(
        before, messages=(*messages, said, *answers), add_generation_prompt=True, continue_final_message=False
    )


def _continued(begun: ChatMessage, rest: ChatMessage) -> ChatMessage:
    """One message of the beginning that the client gave and of what the model made of it."""
    *parts, last = (*begun.content, TextPart(""))[: max(1, len(begun.content))]
    more = "".join(part.text for part in rest.content if isinstance(part, TextPart))
    joined = (*parts, TextPart(last.text + more)) if isinstance(last, TextPart) else (*parts, last, TextPart(more))
    return replace(rest, content=joined, reasoning=rest.reasoning or begun.reasoning)


def _answer(call: Call, result: ToolResult) -> ChatMessage:
    """The wire has no mark for an error, and neither have templates."""
    text = f"Error: {result.text}" if result.is_error else result.text
    return ChatMessage("tool", (TextPart(text),), name=call.name, tool_call_id=call.id)
