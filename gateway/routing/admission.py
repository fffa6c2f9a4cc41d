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
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.routing.fairness import Shares, Waiter, choose
from gateway.routing.suspects import Standing
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

    @property
    def standing(self) -> Standing: ...

    def granted(self, identity: str, trial: bool) -> None:
        """A credit on this incarnation is taken for it. `trial`: it shows nothing until it is `acquitted`."""
        ...

    def acquitted(self) -> None:
        """All trials on its worker are over."""
        ...

    def adjourned(self) -> None:
        """Its worker takes nothing more, so that no trial goes on there: what it has may be shown."""
        ...

    def refused(self, refusal: Refusal) -> None:
        """The model can't be had any more; it has left the queue."""
        ...


@dataclass(slots=True)
class _Credit:
    """`court`: whose answers are held back because of trials here."""

    limit: int
    open: int = 0
    trial: Waiter | None = None
    court: dict[Waiter, Candidate] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return max(0, self.limit - self.open)

    @property
    def tries(self) -> bool:
        """Whether a trial can be held here now: nobody works here who has shown anything."""
        return self.trial is None and bool(self.free) and (not self.open or bool(self.court))


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
        self._closed_at = 0.0
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
            raise self._refusal(self.closed).error()
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
            candidate.refused(self._refusal(self.closed))
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
        if credit := self._credits.pop(identity, None):
            for candidate in credit.court.values():
                candidate.adjourned()

    def release(self, identity: str, waiter: Waiter) -> None:
        """A request on this incarnation has settled."""
        now = self._clock()
        self.used = now
        self._completions.append(now)
        self._shares.end(waiter, now)
        if credit := self._credits.get(identity):
            credit.open -= 1
            self.passed(identity, waiter)
            self._pump()

    def passed(self, identity: str, waiter: Waiter) -> None:
        """A request has passed its trial. Nothing happens where there was none."""
        credit = self._credits.get(identity)
        if credit is not None and credit.trial == waiter:
            credit.trial = None
            self._pump()

    def close(self, refusal: Refusal) -> None:
        """The model can't be had: whoever waits is refused, as is whoever comes, with what is left of its time."""
        self.closed = refusal
        self._closed_at = self._clock()
        waiting, self._waiting = self._waiting, {}
        for candidate in waiting.values():
            candidate.refused(refusal)

    def reopen(self) -> None:
        self.closed = None

    def _refusal(self, refusal: Refusal) -> Refusal:
        if refusal.retry_after is None:
            return refusal
        return replace(refusal, retry_after=max(1.0, refusal.retry_after - (self._clock() - self._closed_at)))

    def _pump(self) -> None:
        while self._try_suspect() or self._acquit() or self._grant():
            continue

    def _try_suspect(self) -> bool:
        """Begins a trial; whether one could be."""
        suspects = self._waiters(suspect=True)
        identity = next((identity for identity, credit in self._credits.items() if credit.tries), None)
        if not suspects or identity is None:
            return False
        chosen = choose(suspects, self._shares.had(self._clock()))
        credit = self._credits[identity]
        credit.trial, credit.court[chosen] = chosen, self._waiting[chosen]
        self._give(chosen, identity, trial=True)
        return True

    def _acquit(self) -> bool:
        """Ends the trials of a worker; whether any were to be ended."""
        over = [credit for credit in self._credits.values() if credit.court and credit.trial is None]
        if not over or self._waiters(suspect=True):
            return False
        for credit in over:
            court, credit.court = credit.court, {}
            for candidate in court.values():
                candidate.acquitted()
        return True

    def _grant(self) -> bool:
        """Gives the next free credit; whether there was one and somebody for it."""
        waiting = self._waiters(suspect=False)
        open_ = [(credit.free, identity) for identity, credit in self._credits.items() if not credit.court]
        free, identity = max(open_, key=lambda item: item[0], default=(0, ""))
        if not waiting or not free:
            return False
        self._give(choose(waiting, self._shares.had(self._clock())), identity, trial=False)
        return True

    def _waiters(self, suspect: bool) -> list[Waiter]:
        return [waiter for waiter, one in self._waiting.items() if (one.standing is Standing.SUSPECT) is suspect]

    def _give(self, chosen: Waiter, identity: str, trial: bool) -> None:
        candidate = self._waiting.pop(chosen)
        self._credits[identity].open += 1
        self._shares.begin(chosen, self._clock())
        candidate.granted(identity, trial)
