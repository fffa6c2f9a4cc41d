"""Which requests are open in this worker, so that each is answered exactly once. Values in, a decision out.

A request is opened with a ticket; what preprocessing hands back carries the ticket, so a result that comes after the
request was cancelled, even when its id is in use again, is recognised as stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count

from shared.messages import Accepted, Delta, Failed, Finished


class Phase(Enum):
    PREPARING = auto()  # waits for preprocessing or is inside it
    RUNNING = auto()  # the engine has it


@dataclass(slots=True)
class _Entry:
    ticket: int
    phase: Phase = Phase.PREPARING


class Ledger:
    """Owned by the engine thread."""

    def __init__(self) -> None:
        self._open: dict[str, _Entry] = {}
        self._tickets = count(1)
        self._preparing = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def preparing(self) -> int:
        return self._preparing

    def requests(self) -> tuple[str, ...]:
        return tuple(self._open)

    def phase(self, request: str) -> Phase | None:
        """None for a request that is unknown or has ended."""
        entry = self._open.get(request)
        return entry.phase if entry else None

    def ticket(self, request: str) -> int | None:
        entry = self._open.get(request)
        return entry.ticket if entry else None

    def open(self, request: str) -> int | None:
        """The new request's ticket, or None when the id is already open."""
        if request in self._open:
            return None
        entry = self._open[request] = _Entry(next(self._tickets))
        self._preparing += 1
        return entry.ticket

    def start(self, request: str, ticket: int) -> bool:
        """Moves a prepared request on to the engine; False when its result is stale and must be thrown away."""
        entry = self._open.get(request)
        if entry is None or entry.ticket != ticket or entry.phase is not Phase.PREPARING:
            return False
        entry.phase = Phase.RUNNING
        self._preparing -= 1
        return True

    def settle(self, answers: Iterable[Accepted | Delta]) -> list[Accepted | Delta]:
        """What of `answers` may be sent: nothing for a request that isn't open, nothing after its ending."""
        kept: list[Accepted | Delta] = []
        for answer in answers:
            entry = self._open.get(answer.request)
            if entry is None:
                continue
            kept.append(answer)
            if isinstance(answer, Finished | Failed):
                del self._open[answer.request]
                self._preparing -= entry.phase is Phase.PREPARING
        return kept
