"""What the routes share: one `Node` an app, built by `gateway.app` and handed to each route."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from gateway.api.door import Door
from gateway.mcp.conversation import Bounds, Conversation, longest_result
from gateway.mcp.events import ServerUse
from gateway.mcp.servers import ToolServers
from gateway.mcp.source import AnswerSource
from gateway.media.load import MediaLoader
from gateway.metrics import Metrics
from gateway.responses.service import Responses
from gateway.routing.dispatch import Dispatcher, Stream
from gateway.routing.registry import ModelEntry, Registry
from gateway.routing.stream import Patience
from gateway.supervisor.fleet import Fleet
from gateway.supervisor.snapshot import WorkerFacts
from gateway.tenancy.current import current, visit
from gateway.tenancy.failures import Failures
from gateway.tenancy.ledger import Ledger
from gateway.tenancy.ring import KeyRing
from gateway.tenancy.visit import Visit
from shared.config import NodeConfig
from shared.errors import Forbidden, RequestError
from shared.lifecycle import State
from shared.messages import Generate, Work


@dataclass(slots=True)
class Node:
    """`config` changes when it is loaded again (`gateway.reload`); nothing else does."""

    config: NodeConfig
    registry: Registry
    dispatcher: Dispatcher
    fleet: Fleet
    metrics: Metrics
    version: str
    media: MediaLoader
    mcp: ToolServers = field(default_factory=lambda: ToolServers({}))
    responses: Responses = field(default_factory=Responses.build)
    ring: KeyRing = field(default_factory=KeyRing)
    ledger: Ledger | None = None
    door: Door = field(default_factory=Door)
    failures: Failures = field(default_factory=Failures)
    started: float = field(default_factory=time.monotonic)

    @property
    def fingerprint(self) -> str:
        return f"mlx-gateway-{self.version}"

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def open(self, entry: ModelEntry, work: Work, blobs: Sequence[bytes] = ()) -> Stream:
        """Hands a request in, with the frames its media parts name and the server's deadline.

        Raises RequestError at the door.
        """
        return self._open(entry, work, blobs, self.dispatcher.clock() + self.config.server.request_timeout, visit())

    def _open(self, entry: ModelEntry, work: Work, blobs: Sequence[bytes], deadline: float, caller: Visit) -> Stream:
        patience = Patience(self.config.node.load_wait, lambda: self.fleet.load_remaining(entry.name))
        try:
            caller.check()
            return self.dispatcher.open(entry, work, blobs, deadline=deadline, tenant=caller, patience=patience)
        except RequestError as error:
            caller.note_outcome(error.code, entry.name)
            raise

    def answer(
        self,
        entry: ModelEntry,
        work: Generate,
        blobs: Sequence[bytes] = (),
        named: Sequence[ServerUse] = (),
        *,
        max_calls: int | None = None,
    ) -> AnswerSource:
        """`open`, with the tools of the MCP servers that the request named and of those in the model's YAML.

        A request that may call no tools at all is to be handed to `open`. Raises RequestError at the door.
        """
        for use in named:
            if not current().may_call(use.server):
                raise Forbidden(f"This key may not use the tool server `{use.server}`.", param=use.param)
            self.mcp.check(use.server, use.param)
        servers = {use.server for use in named}
        others = (name for name in entry.config.mcp if name not in servers and current().may_call(name))
        uses = [*named, *(ServerUse(name, named=False) for name in others)]
        if not uses:
            return self.open(entry, work, blobs)
        seconds, caller = self.config.server.request_timeout, visit()
        deadline = self.dispatcher.clock() + seconds
        return Conversation(
            work,
            uses,
            self.mcp,
            lambda turn: self._open(entry, turn, blobs, deadline, caller),
            Bounds(seconds, max_calls, result=longest_result(entry.context)),
        )

    def facts(self) -> dict[str, WorkerFacts]:
        """What is known of each model's worker, by the model's name; of the models that the caller may use."""
        return {facts.name: facts for facts in self.fleet.snapshot().workers if current().may_use(facts.model)}

    def waiting_for(self, entry: ModelEntry) -> str:
        """What a queued request waits for, as the text of a comment."""
        facts = self.facts().get(entry.name)
        if facts is None or facts.state is State.READY:
            return "waiting"
        if facts.wanted:
            return f"waiting for memory to load {entry.name}"
        if facts.stage is None:
            return f"waiting for {entry.name} ({facts.state})"
        remaining = self.fleet.load_remaining(entry.name)
        about = "" if remaining is None else f", about {remaining:.0f} s"
        fraction = "" if facts.fraction is None else f" {facts.fraction:.0%}"
        return f"loading {entry.name} {facts.stage}{fraction}{about}"


def get_node(request: Request) -> Node:
    node: Node = request.app.state.node
    return node


NodeDep = Annotated[Node, Depends(get_node)]
