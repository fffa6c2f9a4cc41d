"""What a tool gave back, as the text that a model reads: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ToolResult:
    text: str
    is_error: bool = False


def cut(result: ToolResult, longest: int) -> ToolResult:
    """At most `longest` characters, and a note on what is missing."""
    if len(result.text) <= longest:
        return result
    note = f"\n[cut: {longest} of {len(result.text)} characters are shown]"
    return replace(result, text=result.text[:longest] + note)
