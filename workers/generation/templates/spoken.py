"""Tools, calls and results as text, for models whose template knows none: the form of Hermes and Qwen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.messages import ChatMessage, TextPart, Tool, ToolCall
from workers.generation.templates.turns import joined, merged

HERMES = "hermes"  # the name of this form

_HEAD = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

{how}"""
_HOW = """For each function call, return a json object with function name and arguments within <tool_call></tool_call> \
XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
_EXAMPLE = "For each function call, write the function's name and a json object of its arguments like this:\n"


def as_template_tool(tool: Tool) -> dict[str, Any]:
    """The shape that chat templates expect (Hugging Face's, which is OpenAI's)."""
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}


def describe(messages: Sequence[ChatMessage], tools: Sequence[Tool], example: str | None = None) -> list[ChatMessage]:
    """The messages with the tools told at the end of the system message in front, which is made if there is none.

    `example`: a call of `function_name` as the model writes it; left out, Hermes' form is told.
    """
    listed = "\n".join(json.dumps(as_template_tool(tool), ensure_ascii=False) for tool in tools)
    how = _HOW if example is None else f"{_EXAMPLE}{example}"
    told = ChatMessage("system", (TextPart(_HEAD.format(tools=listed, how=how)),))
    if messages and messages[0].role == "system":
        return [merged(messages[0], told), *messages[1:]]
    return [told, *messages]


def speak_calls(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Calls as text of the assistant; results stay."""
    return [_said(message) if message.tool_calls else message for message in messages]


def speak(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Calls as text of the assistant, results as text of the user; results in a row are one turn."""
    found: list[ChatMessage] = []
    in_results = False
    for message in messages:
        if message.role != "tool":
            found.append(_said(message) if message.tool_calls else message)
        elif in_results:
            found[-1] = replace(found[-1], content=joined(found[-1].content, result_as_text(message).content, "\n"))
        else:
            found.append(result_as_text(message))
        in_results = message.role == "tool"
    return found


def _said(message: ChatMessage) -> ChatMessage:
    text = "\n".join(_call(call) for call in message.tool_calls)
    return replace(message, content=joined(message.content, (TextPart(text),), "\n"), tool_calls=())


def _call(call: ToolCall) -> str:
    """Arguments that are no JSON stand as the model wrote them."""
    name = json.dumps(call.name, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {name}, "arguments": {call.arguments or "{}"}}}\n</tool_call>'


def result_as_text(message: ChatMessage) -> ChatMessage:
    """A tool's result as a turn of the user."""
    content = joined((TextPart("<tool_response>"),), message.content, "\n")
    return ChatMessage("user", joined(content, (TextPart("</tool_response>"),), "\n"))
