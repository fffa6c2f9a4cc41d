"""Chat messages and tools: OpenAI's shapes to the wire's."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.history import unseen
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.schema import (
    AssistantMessage,
    Function,
    FunctionMessage,
    FunctionTool,
    InputMessage,
    MediaContent,
    Message,
    Part,
    RefusalContent,
    ToolMessage,
)
from gateway.dialects.schema_limits import check_tool_names, check_tool_schemas
from shared.errors import InvalidRequest, UnsupportedParameter, WrongModality
from shared.messages import ChatMessage, MediaPart, TextPart, Tool, ToolCall


def to_messages(messages: Sequence[Message], media: MediaReader) -> tuple[ChatMessage, ...]:
    """`media` reads the parts that are not text. Raises WrongModality for media that the model does not read."""
    found: list[ChatMessage] = []
    for index, message in enumerate(messages):
        found.append(_message(message, f"messages[{index}]", media, found))
    return tuple(found)


def _message(message: Message, at: str, media: MediaReader, before: Sequence[ChatMessage]) -> ChatMessage:
    if isinstance(message, AssistantMessage):
        return _assistant(message, at, media, len(before))
    if isinstance(message, ToolMessage):
        content = _parts(message.content or (), at, media, tell=True)
        return ChatMessage("tool", content, message.name, tool_call_id=message.tool_call_id)
    if isinstance(message, FunctionMessage):
        content = _parts(message.content or (), at, media, tell=True)
        return ChatMessage("tool", content, message.name, tool_call_id=_called(message.name, before))
    return ChatMessage(_role(message), _parts(message.content, at, media), message.name)


def _role(message: InputMessage) -> str:
    return "system" if message.role == "developer" else message.role


def _assistant(message: AssistantMessage, at: str, media: MediaReader, index: int) -> ChatMessage:
    """One that holds nothing is an empty turn: an answer may have been no more than a thought."""
    reasoning = message.reasoning if message.reasoning is not None else message.reasoning_content
    calls = [ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    if message.function_call is not None and not calls:
        calls.append(ToolCall(f"call_{index}", message.function_call.name, message.function_call.arguments))
    content = _parts(message.content or (), at, media)
    if message.content is None and message.refusal:
        content = (TextPart(message.refusal),)
    return ChatMessage("assistant", content, message.name, reasoning, tuple(calls))


def _called(name: str, before: Sequence[ChatMessage]) -> str:
    """The id of the last call of a function."""
    calls = (call for message in reversed(before) for call in reversed(message.tool_calls) if call.name == name)
    return next((call.id for call in calls), f"call_{name}")


def _parts(parts: Sequence[Part], at: str, media: MediaReader, tell: bool = False) -> tuple[TextPart | MediaPart, ...]:
    """`tell`: words in the place of media that the model does not read."""
    found: list[TextPart | MediaPart] = []
    for index, part in enumerate(parts):
        if not isinstance(part, MediaContent):
            found.append(TextPart(part.refusal if isinstance(part, RefusalContent) else part.text))
            continue
        try:
            found.append(media.read(part, f"{at}.content[{index}]"))
        except WrongModality:
            if not tell:
                raise
            found.append(unseen(part.type))
    return tuple(found)


def to_tools(tools: Sequence[FunctionTool]) -> tuple[Tool, ...]:
    """Those of the client; an MCP server's the gateway knows.

    Raises InvalidRequest for an illegal name or schema, UnsupportedParameter for a tool of another type.
    """
    own = {
        f"tools[{index}]": _function(tool, f"tools[{index}]") for index, tool in enumerate(tools) if tool.type != "mcp"
    }
    check_tool_names([one.name for one in own.values()], [f"{at}.function.name" for at in own])
    empty = {"type": "object", "properties": {}}
    schemas = [(one.parameters or empty, f"{at}.function.parameters", bool(one.strict)) for at, one in own.items()]
    return tuple(
        Tool(one.name, one.description, schema, bool(one.strict))
        for one, schema in zip(own.values(), check_tool_schemas(schemas), strict=True)
    )


def schema_paths(tools: Sequence[FunctionTool]) -> tuple[str, ...]:
    """Where each of the client's own tools has its schema."""
    return tuple(f"tools[{index}].function.parameters" for index, tool in enumerate(tools) if tool.type != "mcp")


def _function(tool: FunctionTool, at: str) -> Function:
    if tool.type != "function":
        raise UnsupportedParameter(
            f"Unsupported value for '{at}.type': only tools of type 'function' are supported.", param=f"{at}.type"
        )
    if tool.function is None:
        raise InvalidRequest(f"Missing required parameter: '{at}.function'.", param=f"{at}.function")
    return tool.function
