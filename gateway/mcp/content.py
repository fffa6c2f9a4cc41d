"""A tool's result to text: what a model here can't read becomes a note. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

import mcp_types as types


def to_text(content: Sequence[types.ContentBlock], structured: object = None) -> str:
    """The texts, one after the other; structured content only where there is nothing else, as it repeats them."""
    if not content and structured is not None:
        return json.dumps(structured, ensure_ascii=False)
    return "\n".join(_block(block) for block in content)


def _block(block: types.ContentBlock) -> str:
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return f"[{block.type} ({block.mime_type}), not shown]"
    if isinstance(block, types.ResourceLink):
        return f"[{block.name}: {block.uri}]"
    if isinstance(block.resource, types.TextResourceContents):
        return block.resource.text
    return f"[{block.resource.uri} ({block.resource.mime_type or 'binary'}), not shown]"
