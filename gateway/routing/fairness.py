"""Who goes next: each tenant gets its share of a model's time, by weight; within a tenant, first come, first served.

Pure: the waiters and what each tenant has had in, the chosen one out. What a tenant has had is the time that its
requests held the model, over its weight; requests that still run count at least as long as requests usually take, so
that a burst is shared out too. Start-time fair queueing, Goyal et al. 1996, https://doi.org/10.1145/248156.248171
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

USUAL = 1.0  # seconds that a request takes, before any has been seen


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits for a credit. `ticket` is its order of arrival; a replayed request keeps its own."""

    ticket: int
    tenant: str = ""
    weight: float = 1.0


def choose(waiters: Collection[Waiter], had: Mapping[str, float]) -> Waiter:
    """The earliest request of the tenant that has had least. `waiters` is not empty."""
    return min(waiters, key=lambda waiter: (had.get(waiter.tenant, 0.0), waiter.ticket))


class Shares:
    """What each tenant has had of one model, in seconds over its weight."""

    def __init__(self) -> None:
        self._settled: dict[str, float] = {}
        self._running: dict[Waiter, float] = {}  # since when
        self._usual = USUAL

    def had(self, now: float) -> dict[str, float]:
        """What everybody has had until `now`, running requests included."""
        return self._had(now, self._usual)

    def _had(self, now: float, least: float) -> dict[str, float]:
        found = dict(self._settled)
        for waiter, since in self._running.items():
            seconds = max(now - since, least)
            found[waiter.tenant] = found.get(waiter.tenant, 0.0) + seconds / waiter.weight
        return found

    def arrive(self, tenant: str, active: Collection[str], now: float) -> None:
        """A tenant that was away starts level with the one of `active` that has had least: absence earns nothing."""
        others = [other for other in active if other != tenant]
        if tenant in active or not others:
            return
        had = self._had(now, 0.0)
        floor = min(had.get(other, 0.0) for other in others)
        self._settled[tenant] = max(self._settled.get(tenant, 0.0), floor)

    def begin(self, waiter: Waiter, now: float) -> None:
        self._running[waiter] = now

    def end(self, waiter: Waiter, now: float) -> None:
        """Idempotent."""
        since = self._running.pop(waiter, None)
        if since is None:
            return
        seconds = now - since
        self._usual += 0.1 * (seconds - self._usual)
        self._settled[waiter.tenant] = self._settled.get(waiter.tenant, 0.0) + seconds / waiter.weight

    @property
    def running(self) -> set[str]:
        return {waiter.tenant for waiter in self._running}
