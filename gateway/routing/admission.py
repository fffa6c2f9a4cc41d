"""Who may wait for a model, and who gets its next free credit.

A `Lane` owns one model's credits and queue. It decides at the door (`check`), then hands out credits: at once when
one is free, else by `fairness.choose`. While the model loads everybody waits; when it can't be had the
lane is closed and says why.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.routing.fairness import Shares, Waiter, choose
from shared.errors import Overloaded, RequestError, from_code

RATE_WINDOW = 60.0  # seconds of completions that the estimate looks at
RETRY_UNKNOWN = 5.0  # seconds, when nothing has completed lately
RETRY_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model can't be had, as data: every refused request gets an error of its own."""

    code: str
    message: str
    retry_after: float | None = None  # seconds

    def error(self) -> RequestError:
        return from_code(self.code, self.message, retry_after=self.retry_after)


def may_enter(free: int, queued: int, own: int, limit: int) -> bool:
    """Whether one more request may come in: a credit is free for it, or its tenant has fewer than `limit` waiting.

    The limit is each tenant's, so that nobody can fill the queue for the others.
    """
    return free > queued or own < limit


def retry_after(queued: int, completions: Sequence[float], now: float) -> float:
    """Seconds until `queued` requests are served at the recent rate of completions (times on the clock of `now`)."""
    recent = [at for at in completions if now - at <= RATE_WINDOW]
    if not recent:
        return RETRY_UNKNOWN
    rate = len(recent) / max(now - recent[0], 1.0)
    return float(min(RETRY_LONGEST, max(1, math.ceil(max(queued, 1) / rate))))


class Candidate(Protocol):
    """A request at the lane."""

    def granted(self, identity: str) -> None:
        """A credit on this incarnation is taken for it."""
        ...

    def refused(self, refusal: Refusal) -> None:
        """The model can't be had any more; it has left the queue."""
        ...


@dataclass(slots=True)
class _Credit:
    limit: int
    open: int = 0

    @property
    def free(self) -> int:
        return max(0, self.limit - self.open)


class Lane:
    """Credits and queue of one model."""

    def __init__(
        self, model: str, limit: int, clock: Callable[[], float], on_wanted: Callable[[str], None] = lambda _: None
    ) -> None:
        """`on_wanted` is told the model's name when a request waits and no worker is there."""
        self.model = model
        self.closed: Refusal | None = None
        self.used = clock()  # when a request last came or ended
        self._on_wanted = on_wanted
        self._limit = limit
        self._clock = clock
        self._credits: dict[str, _Credit] = {}
        self._waiting: dict[Waiter, Candidate] = {}
        self._shares = Shares()
        self._tickets = itertools.count()
        self._completions: deque[float] = deque(maxlen=256)

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def served(self) -> bool:
        """Whether a worker takes its requests."""
        return bool(self._credits)

    @property
    def running(self) -> int:
        """Requests on workers that take more."""
        return sum(credit.open for credit in self._credits.values())

    @property
    def free(self) -> int:
        return sum(credit.free for credit in self._credits.values())

    def check(self, tenant: str = "") -> None:
        """The door. Raises Overloaded (429) when the tenant's queue is full, or the error of the closed lane (503)."""
        if self.closed is not None:
            raise self.closed.error()
        own = sum(waiter.tenant == tenant for waiter in self._waiting)
        if not may_enter(self.free, self.queued, own, self._limit):
            wait = retry_after(self.queued, self._completions, self._clock())
            raise Overloaded(f"The model `{self.model}` has {own} requests waiting; try again later.", retry_after=wait)

    def ticket(self, tenant: str = "", weight: float = 1.0) -> Waiter:
        """A place in the order of arrival; a request keeps it when it has to queue again."""
        return Waiter(next(self._tickets), tenant, weight)

    def enter(self, waiter: Waiter, candidate: Candidate) -> None:
        """Queues a request; it may be granted, or refused by a closed lane, before this returns."""
        now = self._clock()
        self._shares.end(waiter, now)  # of a request that comes back because its worker died
        if self.closed is not None:
            candidate.refused(self.closed)
        else:
            active = self._shares.running | {waiting.tenant for waiting in self._waiting}
            self._shares.arrive(waiter.tenant, active, now)
            self.used = now
            self._waiting[waiter] = candidate
            self._pump()
            if not self._credits:
                self._on_wanted(self.model)

    def leave(self, waiter: Waiter) -> None:
        """Out of the queue. Idempotent."""
        self._waiting.pop(waiter, None)

    def add_worker(self, identity: str, limit: int) -> None:
        """`limit` requests at a time may be open on this incarnation."""
        self._credits[identity] = _Credit(limit)
        self._pump()

    def remove_worker(self, identity: str) -> None:
        """Nothing more goes to this incarnation. Idempotent."""
        self._credits.pop(identity, None)

    def release(self, identity: str, waiter: Waiter) -> None:
        """A request on this incarnation has settled."""
        now = self._clock()
        self.used = now
        self._completions.append(now)
        self._shares.end(waiter, now)
        if credit := self._credits.get(identity):
            credit.open -= 1
            self._pump()

    def close(self, refusal: Refusal) -> None:
        """The model can't be had: whoever waits is refused, as is whoever comes."""
        self.closed = refusal
        waiting, self._waiting = self._waiting, {}
        for candidate in waiting.values():
            candidate.refused(refusal)

    def reopen(self) -> None:
        self.closed = None

    def _pump(self) -> None:
        while self._waiting and self._credits:
            identity, credit = max(self._credits.items(), key=lambda item: item[1].free)
            if not credit.free:
                return
            now = self._clock()
            chosen = choose(self._waiting, self._shares.had(now))
            candidate = self._waiting.pop(chosen)
            credit.open += 1
            self._shares.begin(chosen, now)
            candidate.granted(identity)
