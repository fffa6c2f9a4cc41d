"""One request whose answer is sent as a whole."""

from __future__ import annotations

from fastapi import Request

from gateway.api.disconnect import while_connected
from gateway.api.edge import note_work
from gateway.api.node import Node
from gateway.bus.mailbox import Event
from gateway.routing.registry import ModelEntry
from shared.messages import Usage, Work


async def ask(request: Request, node: Node, entry: ModelEntry, work: Work) -> tuple[list[Event], Usage]:
    """All events and what they took; a worker's death in between stays invisible. Cancelled when the client leaves."""
    note_work(request, entry.name, work.request)
    return await while_connected(request.receive, _whole(node, entry, work))


async def _whole(node: Node, entry: ModelEntry, work: Work) -> tuple[list[Event], Usage]:
    async with node.open(entry, work) as stream:
        return await stream.whole(), stream.usage
