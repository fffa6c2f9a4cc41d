"""Messages and their content blocks: Anthropic's shapes to the wire's.

A user message may hold tool results, which are messages of their own on the wire. Consecutive turns of one role are
one turn, as at Anthropic; many chat templates know no other order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.schema import (
    Block,
    ContentSource,
    DocumentBlock,
    ImageBlock,
    McpToolResultBlock,
    McpToolUseBlock,
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
from gateway.dialects.history import unseen
from shared.errors import UnsupportedParameter, WrongModality
from shared.messages import ChatMessage, MediaPart, TextPart, ToolCall

# Claude Code's first system block holds a hash of its own, new with every request: no prefix would ever be found again.
NOISE = "x-anthropic-billing-header:"

Part = TextPart | MediaPart


def to_system(blocks: Sequence[TextBlock]) -> tuple[ChatMessage, ...]:
    """At most one message: the system prompt without what is noise."""
    texts = (without_noise(block.text) for block in blocks)
    parts = tuple(TextPart(text) for text in texts if text)
    return (ChatMessage("system", parts),) if parts else ()


def to_messages(messages: Sequence[Message], images: ImageReader) -> tuple[ChatMessage, ...]:
    """Raises InvalidRequest naming the block; WrongModality for images that the model does not read."""
    found: list[ChatMessage] = []
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if not message.content and message.role != "assistant":
            raise invalid(at, "user and system messages must have non-empty content")
        said = _message(message, f"{at}.content", images)
        if not said and index < len(messages) - 1 and _is_empty_answer(message):
            said = [ChatMessage("assistant")]
        for one in said:
            _append(found, one)
    return tuple(found)


def without_noise(text: str) -> str:
    """A system block's text as the prompt has it."""
    return text.partition("\n")[2] if text.startswith(NOISE) else text


def _is_empty_answer(message: Message) -> bool:
    return message.role == "assistant" and all(isinstance(block, TextBlock) for block in message.content)


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
        return [one for start, blocks in _turns(message.content) for one in _assistant(blocks, at, start)]
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
        elif isinstance(block, ToolUseBlock | McpToolUseBlock | McpToolResultBlock | ThinkingBlock):
            raise _misplaced(block, f"{at}.{index}", "user")
        elif parts := _parts(block, f"{at}.{index}", images):
            _append(found, ChatMessage("user", parts))
    if not found:
        raise invalid(at, "user messages must have non-empty content")
    return found


def _turns(blocks: Sequence[Block]) -> list[tuple[int, Sequence[Block]]]:
    """An answer's turns, by the positions where they begin: what follows results of server tools is another one."""
    starts = [
        index
        for index in range(1, len(blocks))
        if isinstance(blocks[index - 1], McpToolResultBlock) and not isinstance(blocks[index], McpToolResultBlock)
    ]
    ends = [*starts, len(blocks)]
    return [(start, blocks[start:end]) for start, end in zip([0, *starts], ends, strict=True)]


def _assistant(blocks: Sequence[Block], at: str, start: int) -> list[ChatMessage]:
    texts: list[Part] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    results: list[ChatMessage] = []
    for index, block in enumerate(blocks, start):
        if isinstance(block, TextBlock):
            texts += [TextPart(block.text)] if block.text else []
        elif isinstance(block, ThinkingBlock):
            thoughts += [block.thinking] if block.thinking else []
        elif isinstance(block, ToolUseBlock | McpToolUseBlock):
            calls.append(ToolCall(block.id, block.name, block.input))
        elif isinstance(block, McpToolResultBlock):
            results.append(_tool_message(block, [*(TextPart(one.text) for one in block.content or ())]))
        elif not isinstance(block, SilentBlock | ToolReferenceBlock):
            raise _misplaced(block, f"{at}.{index}", "assistant")
    if not (texts or thoughts or calls):
        return results
    said = ChatMessage("assistant", tuple(texts), reasoning=_joined(thoughts), tool_calls=tuple(calls))
    return [said, *results]


def _result(block: ToolResultBlock, at: str, images: ImageReader) -> ChatMessage:
    parts: list[Part] = []
    for index, one in enumerate(block.content or ()):
        try:
            parts += _parts(one, f"{at}.content.{index}", images)
        except WrongModality:
            parts.append(unseen("image"))
        except UnsupportedParameter:
            parts.append(unseen("file"))
    return _tool_message(block, parts)


def _tool_message(block: ToolResultBlock | McpToolResultBlock, parts: list[Part]) -> ChatMessage:
    if block.is_error:  # the wire has no mark for it, and neither have templates
        first = parts[0] if parts else None
        if isinstance(first, TextPart):
            parts[0] = TextPart(f"Error: {first.text}")
        else:
            parts.insert(0, TextPart("Error"))
    return ChatMessage("tool", tuple(parts), tool_call_id=block.tool_use_id)


def _parts(block: Block | ResultBlock, at: str, images: ImageReader) -> tuple[Part, ...]:
    """Empty for a block that holds nothing for a model."""
    if isinstance(block, TextBlock):
        return (TextPart(block.text),) if block.text else ()
    if isinstance(block, ImageBlock):
        return (images.read(block, at),)
    if isinstance(block, DocumentBlock):
        return _document(block, at, images)
    if isinstance(block, ToolReferenceBlock):
        return (TextPart(f"The tool {block.tool_name} is available."),)
    return ()


def _document(block: DocumentBlock, at: str, images: ImageReader) -> tuple[Part, ...]:
    kind = block.source.get("type")
    if kind not in ("text", "content"):
        raise unsupported(f"{at}.source", f"documents of type '{str(kind)[:32]}' are not supported; use 'text'")
    if block.citations is not None and block.citations.enabled:
        raise unsupported(f"{at}.citations", "citations are not supported")
    head = [text for text in (block.title, block.context) if text]
    if kind == "text":
        source = validate(TextSource, block.source, f"{at}.source")
        return (TextPart("\n\n".join(filter(None, [*head, source.data]))),)
    content = validate(ContentSource, block.source, f"{at}.source").content
    inner = [part for index, one in enumerate(content) for part in _parts(one, f"{at}.source.content.{index}", images)]
    return (*map(TextPart, head), *inner)


def _joined(texts: Sequence[str]) -> str | None:
    return "\n".join(texts) or None


def _misplaced(block: Block, at: str, role: str) -> Exception:
    return invalid(at, f"'{block.type}' blocks can't be in {role} messages")
