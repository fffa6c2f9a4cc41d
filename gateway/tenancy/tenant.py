"""One key's state: its limits' windows and its open requests. Owned by the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.routing.stream import Stream
from gateway.tenancy.windows import Day, Limit, Minute
from shared.config.keys import KeyConfig
from shared.errors import Forbidden, RateLimited, Unauthorized

_BUSY = 1.0  # seconds after which a free place is likely, for who has too many requests open


@dataclass(frozen=True, slots=True)
class Activity:
    """What one key is doing. `generated`: tokens since the node started, those of running requests included."""

    name: str
    running: int
    waiting: int
    generated: int


class Tenant:
    """Whoever holds a key. `key` None: the node has no keys, and everybody on the machine may do everything."""

    def __init__(self, key: KeyConfig | None, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch."""
        self.key = key
        self._clock = clock
        self._requests, self._tokens, self._day = Minute(), Minute(), Day()
        self._open: set[Stream] = set()
        self._generated = 0
        self.parallel = 0  # HTTP requests
        self.epoch = 0  # grows when the key is revoked or replaced

    @property
    def name(self) -> str:
        return self.key.name if self.key else ""

    @property
    def weight(self) -> float:
        return self.key.weight if self.key else 1.0

    @property
    def is_admin(self) -> bool:
        return self.key is None or self.key.role == "admin"

    def may_use(self, model: str) -> bool:
        return self.key is None or any(fnmatchcase(model, glob) for glob in self.key.models)

    def may_call(self, server: str) -> bool:
        """Whether its requests may name a tool server."""
        return self.key is None or any(fnmatchcase(server, glob) for glob in self.key.mcp)

    def require_admin(self) -> None:
        """Raises Forbidden."""
        if not self.is_admin:
            raise Forbidden("This needs a key whose role is admin.")

    # ------------------------------------------------------------------ limits
    def enter(self) -> None:
        """Takes one request in, or raises RateLimited with the time after which it may come again."""
        now, key = self._clock(), self.key
        if key is not None:
            self._check("requests a minute", key.requests_per_minute, self._requests, now)
            self._check("tokens a minute", key.tokens_per_minute, self._tokens, now)
            self._check("tokens a day", key.tokens_per_day, self._day, now)
            if key.parallel is not None and self._at_once >= key.parallel:
                raise RateLimited(f"This key may have {key.parallel} requests open at a time.", retry_after=_BUSY)
        self._requests.add(1, now)
        self.parallel += 1

    @property
    def _at_once(self) -> int:
        """Open requests, or, where that is more, what runs for them: a background response has no request."""
        return max(self.parallel, len(self._open))

    def leave(self) -> None:
        """A request that was taken in has been answered."""
        self.parallel -= 1

    def charge(self, tokens: int) -> None:
        now = self._clock()
        self._tokens.add(tokens, now)
        self._day.add(tokens, now)

    def restore(self, tokens: int) -> None:
        """Tokens used today, before the node started."""
        self._day.add(tokens, self._clock())

    def limits(self) -> list[Limit]:
        """The key's limits and what is used of them."""
        if self.key is None:
            return []
        now, key = self._clock(), self.key
        found: list[Limit] = []
        if key.requests_per_minute is not None:
            used, reset = self._requests.used(now), self._requests.reset(now)
            found.append(Limit("requests", key.requests_per_minute, used, reset))
        if key.tokens_per_minute is not None:
            found.append(Limit("tokens", key.tokens_per_minute, self._tokens.used(now), self._tokens.reset(now)))
        if key.tokens_per_day is not None:
            found.append(Limit("tokens_per_day", key.tokens_per_day, self._day.used(now), self._day.reset(now)))
        if key.parallel is not None:
            found.append(Limit("parallel", key.parallel, self._at_once, 0.0))
        return found

    @staticmethod
    def _check(what: str, most: int | None, window: Minute | Day, now: float) -> None:
        if most is not None and (wait := window.wait(most, now)) > 0:
            raise RateLimited(f"This key's limit of {most} {what} is reached.", retry_after=wait)

    # ------------------------------------------------------------------ its streams
    def opened(self, stream: Stream) -> None:
        self._open.add(stream)

    def closed(self, stream: Stream) -> None:
        self._open.discard(stream)
        self._generated += stream.usage.completion_tokens
        self.charge(stream.usage.prompt_tokens + stream.usage.completion_tokens)

    def activity(self) -> Activity:
        running = sum(stream.state == "running" for stream in self._open)
        generated = self._generated + sum(stream.usage.completion_tokens for stream in self._open)
        return Activity(self.name, running, len(self._open) - running, generated)

    def revoke(self) -> None:
        """The key is gone: whatever it has open ends with an error, and nothing of that goes on."""
        self.epoch += 1
        for stream in list(self._open):
            stream.revoke(Unauthorized.code, "The API key was revoked.")
