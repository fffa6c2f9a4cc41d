"""One HTTP request in the name of a tenant: what its work on the models belongs to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.routing.stream import Stream
from gateway.tenancy.failures import Failures
from gateway.tenancy.ledger import Ledger, Record
from gateway.tenancy.tenant import Tenant
from shared.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class Visit:
    """`routing.stream.Tenant` for the dispatcher: shares, revocation and the ledger. `ledger` None: nothing is kept."""

    tenant: Tenant
    endpoint: str = ""
    ledger: Ledger | None = None
    failures: Failures = field(default_factory=Failures)
    clock: Callable[[], float] = time.time
    epoch: int = 0  # the tenant's when the request came
    streams: list[Stream] = field(default_factory=list)

    def check(self) -> None:
        """Raises Unauthorized when the key was revoked since: between the turns of an answer, or under an upload."""
        if self.epoch != self.tenant.epoch:
            raise Unauthorized("The API key was revoked.")

    @property
    def name(self) -> str:
        return self.tenant.name

    @property
    def weight(self) -> float:
        return self.tenant.weight

    def opened(self, stream: Stream) -> None:
        self.tenant.opened(stream)
        self.streams.append(stream)

    def closed(self, stream: Stream) -> asyncio.Event | None:
        self.tenant.closed(stream)
        self.note_outcome(stream.outcome, stream.model)
        return self.ledger.record(self._record(stream)) if self.ledger else None

    def note_outcome(self, outcome: str, model: str) -> None:
        """What became of one request, or the code of its refusal at the door."""
        self.failures.note(outcome, key=self.name, model=model, endpoint=self.endpoint)

    def _record(self, stream: Stream) -> Record:
        times, usage = stream.times, stream.usage
        done = times.done if times.done is not None else times.enqueued
        return Record(
            at=self.clock(),
            key=self.name,
            model=stream.model,
            endpoint=self.endpoint,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            audio_seconds=usage.audio_seconds,
            queued=(times.sent if times.sent is not None else done) - times.enqueued,
            first=None if times.first is None else times.first - times.enqueued,
            total=done - times.enqueued,
            outcome=stream.outcome,
        )
