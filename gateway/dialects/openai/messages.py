"""Chat messages and tools: OpenAI's shapes to the wire's."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.schema import (
    AssistantMessage,
    Function,
    FunctionTool,
    InputMessage,
    MediaContent,
    Message,
    Part,
    RefusalContent,
    ToolMessage,
)
from gateway.dialects.schema_limits import check_tool_names, check_tool_schemas
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import ChatMessage, MediaPart, TextPart, Tool, ToolCall


def to_messages(messages: Sequence[Message], media: MediaReader) -> tuple[ChatMessage, ...]:
    """`media` reads the parts that are not text.

    Raises WrongModality for media that the model does not read, InvalidRequest for a turn that holds nothing.
    """
    return tuple(_message(message, f"messages[{index}]", media) for index, message in enumerate(messages))


def _message(message: Message, at: str, media: MediaReader) -> ChatMessage:
    if isinstance(message, AssistantMessage):
        return _assistant(message, at, media)
    content = _parts(message.content, at, media)
    if isinstance(message, ToolMessage):
        return ChatMessage("tool", content, message.name, tool_call_id=message.tool_call_id)
    return ChatMessage(_role(message), content, message.name)


def _role(message: InputMessage) -> str:
    return "system" if message.role == "developer" else message.role


def _assistant(message: AssistantMessage, at: str, media: MediaReader) -> ChatMessage:
    reasoning = message.reasoning if message.reasoning is not None else message.reasoning_content
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments or "{}") for call in message.tool_calls or ()
    )
    content = _parts(message.content or (), at, media)
    if message.content is None and message.refusal:
        content = (TextPart(message.refusal),)
    if message.content is None and not (calls or content or reasoning):
        raise InvalidRequest(
            f"Invalid value for '{at}.content': an assistant message needs content or tool_calls.",
            param=f"{at}.content",
        )
    return ChatMessage("assistant", content, message.name, reasoning, calls)


def _parts(parts: Sequence[Part], at: str, media: MediaReader) -> tuple[TextPart | MediaPart, ...]:
    found: list[TextPart | MediaPart] = []
    for index, part in enumerate(parts):
        if isinstance(part, MediaContent):
            found.append(media.read(part, f"{at}.content[{index}]"))
        else:
            found.append(TextPart(part.refusal if isinstance(part, RefusalContent) else part.text))
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
