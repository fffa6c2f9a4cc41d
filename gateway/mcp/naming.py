"""By which name a model calls a server's tool: pure.

The tool's own name where the request has no other tool of that name, for models trained on plain names (`get_weather`);
else `server__tool`. Either way of the letters that every API and chat template takes, and at most 64 of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from hashlib import sha256

from gateway.mcp.events import ServerTool

LONGEST = 64
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")


def to_name(text: str) -> str:
    """`text` in the letters of a name; what had to be changed or cut ends in a digest, so that it stays unique."""
    name = _OTHER.sub("_", text)
    if name == text and 0 < len(text) <= LONGEST:
        return name
    digest = sha256(text.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9]}_{digest}"


def qualified(tool: ServerTool) -> str:
    """`server__tool`: unique over the node's servers."""
    return to_name(f"{tool.server}__{tool.name}")


def offered(tools: Iterable[ServerTool], taken: Collection[str]) -> dict[str, ServerTool]:
    """Tools by the names that a request offers them under; `taken` are the names of the client's own tools."""
    listed = list(tools)
    plain = Counter(to_name(tool.name) for tool in listed)
    found: dict[str, ServerTool] = {}
    for tool in listed:
        name = to_name(tool.name)
        if plain[name] > 1 or name in taken:
            name = qualified(tool)
        while name in found or name in taken:
            name = to_name(f"{name}.")
        found[name] = tool
    return found
