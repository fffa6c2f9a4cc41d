"""How much of a prompt lies under a `cache_control` breakpoint, for the numbers in `usage`.

The prefix cache keeps every prompt, with or without breakpoints; what it read is counted exactly, in tokens. Where a
breakpoint stands is known in characters only, so the tokens before it are the prompt's, by its share of the characters:
exact when it stands at the end (where agents put it), near it otherwise. The three numbers always add up to the prompt.
https://docs.claude.com/en/docs/build-with-claude/prompt-caching
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.dialects.anthropic.messages import without_noise
from gateway.dialects.anthropic.schema import CountRequest, TextBlock, ToolResultBlock
from gateway.dialects.openai.lenient import Lenient
from shared.messages import Usage


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """The last one: the `share` of the prompt before it, 0 to 1, and how long the client wants it kept."""

    share: float = 0.0
    ttl: str = "5m"


NO_BREAKPOINT = Breakpoint()


@dataclass(frozen=True, slots=True)
class InputTokens:
    """A prompt's tokens as Anthropic counts them: none is in two numbers."""

    fresh: int
    created: int
    read: int


def find_breakpoint(request: CountRequest) -> Breakpoint:
    """Without a breakpoint the share is 0; a top-level `cache_control` stands for one at the end."""
    total, reached, last = 0, 0, None
    for size, control in _blocks(request):
        total += size
        if control is not None:
            reached, last = total, control
    whole = _control(request)
    if whole is not None:
        return Breakpoint(1.0, _ttl(whole))
    return Breakpoint(reached / total, _ttl(last)) if last is not None and total else NO_BREAKPOINT


def to_input_tokens(usage: Usage, at: Breakpoint) -> InputTokens:
    under = round(usage.prompt_tokens * at.share)
    created = max(0, under - usage.cached_tokens)
    return InputTokens(usage.prompt_tokens - usage.cached_tokens - created, created, usage.cached_tokens)


def _blocks(request: CountRequest) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The size of each block in characters, in the order of the prompt, and its breakpoint."""
    for tool in request.tools or ():
        yield _size([tool.name, tool.description, tool.input_schema]), _control(tool)
    for block in request.system or ():
        yield len(without_noise(block.text)), _control(block)
    for message in request.messages:
        for one in message.content:
            inner = (one.content or ()) if isinstance(one, ToolResultBlock) else ()
            for block_inside in inner:
                yield _size_of(block_inside), _control(block_inside)
            yield 1 if inner else _size_of(one), _control(one)


def _size_of(block: Lenient) -> int:
    return len(block.text) if isinstance(block, TextBlock) else _size(block.model_dump(exclude={"cache_control"}))


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _control(value: Lenient) -> dict[str, Any] | None:
    found = (value.model_extra or {}).get("cache_control")
    return found if isinstance(found, dict) else None


def _ttl(control: dict[str, Any]) -> str:
    return "1h" if control.get("ttl") == "1h" else "5m"
