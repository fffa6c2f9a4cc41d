"""Messages and their content blocks: Anthropic's shapes to the wire's.

A user message may hold tool results, which are messages of their own on the wire. Consecutive turns of one role are
one turn, as at Anthropic; many chat templates know no other order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.schema import (
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    ResultBlock,
    SilentBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from gateway.dialects.anthropic.validate import invalid, unsupported, validate
from shared.messages import ChatMessage, MediaPart, TextPart, ToolCall

# Claude Code's first system block holds a hash of its own, new with every request: no prefix would ever be found again.
NOISE = "x-anthropic-billing-header:"

Part = TextPart | MediaPart


def to_system(blocks: Sequence[TextBlock]) -> tuple[ChatMessage, ...]:
    """At most one message: the system prompt without what is noise."""
    texts = (_without_noise(block.text) for block in blocks)
    parts = tuple(TextPart(text) for text in texts if text)
    return (ChatMessage("system", parts),) if parts else ()


def to_messages(messages: Sequence[Message], images: ImageReader) -> tuple[ChatMessage, ...]:
    """Raises InvalidRequest naming the block; WrongModality for images that the model does not read."""
    found: list[ChatMessage] = []
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if not message.content and not (message.role == "assistant" and index == len(messages) - 1):
            raise invalid(at, "messages must have non-empty content, except for an assistant message at the end")
        for one in _message(message, f"{at}.content", images):
            _append(found, one)
    return tuple(found)


def _without_noise(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(NOISE) else text


def _append(found: list[ChatMessage], message: ChatMessage) -> None:
    last = found[-1] if found else None
    if last is None or last.role != message.role or message.role not in ("user", "assistant"):
        found.append(message)
        return
    found[-1] = replace(
        last,
        content=last.content + message.content,
        reasoning=_joined([text for text in (last.reasoning, message.reasoning) if text]),
        tool_calls=last.tool_calls + message.tool_calls,
    )


def _message(message: Message, at: str, images: ImageReader) -> list[ChatMessage]:
    if message.role == "assistant":
        return _assistant(message.content, at)
    if message.role == "system":
        return _system(message.content, at)
    return _user(message.content, at, images)


def _system(blocks: Sequence[Block], at: str) -> list[ChatMessage]:
    for index, block in enumerate(blocks):
        if not isinstance(block, TextBlock):
            raise _misplaced(block, f"{at}.{index}", "system")
    return list(to_system([block for block in blocks if isinstance(block, TextBlock)]))


def _user(blocks: Sequence[Block], at: str, images: ImageReader) -> list[ChatMessage]:
    """Results and what is said besides, in the order in which they stand."""
    found: list[ChatMessage] = []
    for index, block in enumerate(blocks):
        if isinstance(block, ToolResultBlock):
            found.append(_result(block, f"{at}.{index}", images))
        elif isinstance(block, ToolUseBlock | ThinkingBlock):
            raise _misplaced(block, f"{at}.{index}", "user")
        elif part := _part(block, f"{at}.{index}", images):
            _append(found, ChatMessage("user", (part,)))
    if not found:
        raise invalid(at, "user messages must have non-empty content")
    return found


def _assistant(blocks: Sequence[Block], at: str) -> list[ChatMessage]:
    texts: list[Part] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for index, block in enumerate(blocks):
        if isinstance(block, TextBlock):
            texts += [TextPart(block.text)] if block.text else []
        elif isinstance(block, ThinkingBlock):
            thoughts += [block.thinking] if block.thinking else []
        elif isinstance(block, ToolUseBlock):
            calls.append(ToolCall(block.id, block.name, json.dumps(block.input, ensure_ascii=False)))
        elif not isinstance(block, SilentBlock | ToolReferenceBlock):
            raise _misplaced(block, f"{at}.{index}", "assistant")
    if not (texts or thoughts or calls):
        return []
    return [ChatMessage("assistant", tuple(texts), reasoning=_joined(thoughts), tool_calls=tuple(calls))]


def _result(block: ToolResultBlock, at: str, images: ImageReader) -> ChatMessage:
    inner = enumerate(block.content or ())
    parts = [part for index, one in inner if (part := _part(one, f"{at}.content.{index}", images))]
    if block.is_error:  # the wire has no mark for it, and neither have templates
        first = parts[0] if parts else None
        if isinstance(first, TextPart):
            parts[0] = TextPart(f"Error: {first.text}")
        else:
            parts.insert(0, TextPart("Error"))
    return ChatMessage("tool", tuple(parts), tool_call_id=block.tool_use_id)


def _part(block: Block | ResultBlock, at: str, images: ImageReader) -> Part | None:
    """None for a block that holds nothing for a model."""
    if isinstance(block, TextBlock):
        return TextPart(block.text) if block.text else None
    if isinstance(block, ImageBlock):
        return images.read(block, at)
    if isinstance(block, DocumentBlock):
        return TextPart(_document(block, at))
    if isinstance(block, ToolReferenceBlock):
        return TextPart(f"The tool {block.tool_name} is available.")
    return None


def _document(block: DocumentBlock, at: str) -> str:
    kind = block.source.get("type")
    if kind != "text":
        raise unsupported(f"{at}.source", f"documents of type '{str(kind)[:32]}' are not supported; use 'text'")
    if block.citations is not None and block.citations.enabled:
        raise unsupported(f"{at}.citations", "citations are not supported")
    source = validate(TextSource, block.source, f"{at}.source")
    return "\n\n".join(text for text in (block.title, block.context, source.data) if text)


def _joined(texts: Sequence[str]) -> str | None:
    return "\n".join(texts) or None


def _misplaced(block: Block, at: str, role: str) -> Exception:
    return invalid(at, f"'{block.type}' blocks can't be in {role} messages")
