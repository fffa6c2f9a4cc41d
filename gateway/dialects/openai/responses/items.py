"""Items to the wire's chat messages.

The items of one turn (a thought, what was said, calls) are one message, and consecutive messages of a role are one, as
many chat templates know no other order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.responses.parts import to_parts
from gateway.dialects.openai.responses.schema import (
    ApprovalRequestItem,
    ApprovalResponseItem,
    CallOutputItem,
    CustomCallItem,
    FunctionCallItem,
    Item,
    McpCallItem,
    MessageItem,
    PatchCallItem,
    ReasoningItem,
    ShellCallItem,
    ShellOutputItem,
)
from gateway.dialects.openai.responses.thought import unseal
from gateway.dialects.openai.responses.tools import flat_name
from gateway.dialects.openai.validate import validate
from gateway.mcp.naming import to_name
from shared.errors import InvalidRequest
from shared.messages import ChatMessage, TextPart, ToolCall

_ROLES = {"developer": "system"}

# What other servers did by themselves, and what a client keeps for itself: nothing in it is for a model to read.
SILENT = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "image_generation_call",
        "code_interpreter_call",
        "computer_call",
        "mcp_list_tools",
        "tool_search_call",
        "tool_search_output",
        "additional_tools",
        "configuration_update",
        "program",
        "program_output",
        "compaction",
        "compaction_summary",
        "context_compaction",
        "compaction_trigger",
        "ghost_snapshot",
        "agent_message",
    }
)

Read = Callable[[Item, str, MediaReader], list[ChatMessage]]


def to_messages(items: Sequence[tuple[str, Item]], media: MediaReader) -> tuple[ChatMessage, ...]:
    """The messages of items, each with the path that names it to the client.

    Raises InvalidRequest naming the item; WrongModality for media that the model does not read.
    """
    found: list[ChatMessage] = []
    for at, item in items:
        for message in _read(item, at, media):
            _append(found, message)
    return tuple(found)


def kind_of(item: Item, at: str) -> str:
    """The item's type; a message may leave it out. Raises InvalidRequest."""
    kind = item.get("type") or ("message" if "role" in item else "item_reference" if "id" in item else None)
    if kind is None:
        raise InvalidRequest(f"Missing required parameter: '{at}.type'.", param=f"{at}.type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"Invalid type for '{at}.type': expected a string.", param=f"{at}.type")
    return kind


def _read(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    kind = kind_of(item, at)
    if kind in SILENT:
        return []
    read = _READERS.get(kind)
    if read is None:
        raise InvalidRequest(
            f"Invalid value for '{at}.type': {kind[:64]!r}. Supported values are: {', '.join(sorted(_READERS))}.",
            param=f"{at}.type",
        )
    return read(item, at, media)


def _append(found: list[ChatMessage], message: ChatMessage) -> None:
    last = found[-1] if found else None
    if last is None or last.role != message.role or message.role == "tool":
        found.append(message)
        return
    found[-1] = replace(
        last,
        content=last.content + message.content,
        reasoning="\n".join(text for text in (last.reasoning, message.reasoning) if text) or None,
        tool_calls=last.tool_calls + message.tool_calls,
    )


# ------------------------------------------------------------------ what each type says
def _message(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    message = validate(MessageItem, item, at)
    if message.content is None and message.role != "assistant":
        raise InvalidRequest(f"Missing required parameter: '{at}.content'.", param=f"{at}.content")
    content = to_parts(message.content or (), f"{at}.content", media)
    return [ChatMessage(_ROLES.get(message.role, message.role), content)]


def _reasoning(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    thought = validate(ReasoningItem, item, at)
    texts = [part.text for part in thought.content or thought.summary or ()]
    text = "\n".join(texts) or unseal(thought.encrypted_content or "")
    return [ChatMessage("assistant", reasoning=text)] if text else []


def _call(call_id: str, name: str, arguments: str) -> list[ChatMessage]:
    return [ChatMessage("assistant", tool_calls=(ToolCall(call_id, name, arguments),))]


def _function_call(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    call = validate(FunctionCallItem, item, at)
    return _call(call.call_id, flat_name(call.namespace, call.name), call.arguments)


def _custom_call(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    call = validate(CustomCallItem, item, at)
    arguments = json.dumps({"input": call.input}, ensure_ascii=False)
    return _call(call.call_id, flat_name(call.namespace, call.name), arguments)


def _shell_call(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    call = validate(ShellCallItem, item, at)
    name = str(item["type"]).removesuffix("_call")
    return _call(_id(call.call_id or call.id, at), name, json.dumps(call.action, ensure_ascii=False))


def _patch_call(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    call = validate(PatchCallItem, item, at)
    return _call(call.call_id, "apply_patch", json.dumps(call.operation, ensure_ascii=False))


def _output(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    result = validate(CallOutputItem, item, at)
    parts = to_parts(result.output or (), f"{at}.output", media, tell=True)
    return [ChatMessage("tool", parts, tool_call_id=result.call_id)]


def _shell_output(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    result = validate(ShellOutputItem, item, at)
    output = result.output
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return [ChatMessage("tool", (TextPart(text),), tool_call_id=_id(result.call_id or result.id, at))]


def _mcp_call(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    """A call that was approved stands where it was asked for: here is its result alone."""
    call = validate(McpCallItem, item, at)
    error = call.error if isinstance(call.error, str) else json.dumps(call.error, ensure_ascii=False)
    text = (call.output or "") if call.error is None else f"Error: {error}"
    result = ChatMessage("tool", (TextPart(text),), tool_call_id=call.approval_request_id or call.id)
    if call.approval_request_id is not None:
        return [result]
    return [*_call(call.id, to_name(call.name), call.arguments), result]


def _approval_request(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    call = validate(ApprovalRequestItem, item, at)
    return _call(call.id, to_name(call.name), call.arguments)


def _approval_response(item: Item, at: str, media: MediaReader) -> list[ChatMessage]:
    """A refusal is the call's result; what was approved is run, and its result stands elsewhere."""
    answer = validate(ApprovalResponseItem, item, at)
    if answer.approve:
        return []
    text = TextPart(f"The user refused this call. {answer.reason or ''}".strip())
    return [ChatMessage("tool", (text,), tool_call_id=answer.approval_request_id)]


def _id(found: str | None, at: str) -> str:
    if not found:
        raise InvalidRequest(f"Missing required parameter: '{at}.call_id'.", param=f"{at}.call_id")
    return found


_READERS: dict[str, Read] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
    "local_shell_call": _shell_call,
    "local_shell_call_output": _shell_output,
    "shell_call": _shell_call,
    "shell_call_output": _shell_output,
    "apply_patch_call": _patch_call,
    "apply_patch_call_output": _shell_output,
    "mcp_call": _mcp_call,
    "mcp_approval_request": _approval_request,
    "mcp_approval_response": _approval_response,
}
