"""One message in the shape that chat templates expect (Hugging Face's, which is OpenAI's)."""

from __future__ import annotations

import json
from typing import Any

from shared.errors import InvalidRequest
from shared.messages import ChatMessage, MediaPart, TextPart
from workers.generation.templates.traits import TemplateTraits

BROKEN = "INVALID_JSON"  # Anthropic's name for arguments that are no JSON object


def shape(message: ChatMessage, traits: TemplateTraits, *, media: bool = False) -> dict[str, Any]:
    """Content with media is a list, media by their kind alone. Without `media` they raise InvalidRequest."""
    seen = [part.media for part in message.content if isinstance(part, MediaPart)]
    if seen and not media:
        raise InvalidRequest(f"this model reads text only, not {seen[0]}", param="messages")
    content: Any = [_part(part) for part in message.content]
    if not (seen or traits.parts):
        content = "\n".join(part.text for part in message.content if isinstance(part, TextPart))
    if message.tool_calls and not content and traits.no_content:
        content = None
    shaped: dict[str, Any] = {"role": message.role, "content": content}
    if message.name is not None:
        shaped["name"] = message.name
    if message.reasoning is not None:
        shaped["reasoning_content"] = message.reasoning
    if message.tool_call_id is not None:
        shaped["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        shaped["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments(call.arguments, traits)},
            }
            for call in message.tool_calls
        ]
    return shaped


def arguments(text: str, traits: TemplateTraits) -> Any:
    """A call's arguments as the template wants them.

    What is no JSON object is shown as the model wrote it: as text, or where only objects are taken, in one.
    """
    if not traits.object_arguments:
        return text
    try:
        parsed = json.loads(text or "{}")
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    return text if traits.text_arguments else {BROKEN: text}


def _part(part: TextPart | MediaPart) -> dict[str, str]:
    return {"type": "text", "text": part.text} if isinstance(part, TextPart) else {"type": part.media}
