"""Two turns of a role made one."""

from __future__ import annotations

from dataclasses import replace

from shared.messages import ChatMessage, MediaPart, TextPart

Content = tuple[TextPart | MediaPart, ...]


def merged(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    """`first` with all that `second` holds, in order; a blank line between their texts."""
    thoughts = [text for text in (first.reasoning, second.reasoning) if text]
    return replace(
        first,
        content=joined(first.content, second.content),
        name=first.name if first.name == second.name else None,
        reasoning="\n".join(thoughts) or None,
        tool_calls=first.tool_calls + second.tool_calls,
    )


def joined(first: Content, second: Content, between: str = "\n\n") -> Content:
    """Both contents; where text meets text, one part with `between` between them."""
    first, second = _filled(first), _filled(second)
    if not (first and second):
        return first or second
    last, begin = first[-1], second[0]
    if isinstance(last, TextPart) and isinstance(begin, TextPart):
        return (*first[:-1], TextPart(last.text + between + begin.text), *second[1:])
    return first + second


def is_empty(message: ChatMessage) -> bool:
    """Whether a message says, shows and calls nothing; a thought alone is not said."""
    return not (message.tool_calls or _filled(message.content))


def _filled(content: Content) -> Content:
    return tuple(part for part in content if not isinstance(part, TextPart) or part.text)
