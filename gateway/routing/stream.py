"""One request on its way: queued, running, done. The consumer's end of its mailbox.

    queued ──credit──► running ──terminal──► done
       ▲                  │
       └── worker died, nothing shown: `suspects` judges ──┘

Cancel, deadline and disconnect end it from any state: out of the queue, or `Cancel` to the worker, whose credit comes
back when the worker has answered (or died).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from gateway.bus.mailbox import Event, Terminal
from gateway.bus.router import Blob, Router
from gateway.routing.admission import Lane, Refusal
from gateway.routing.suspects import Convictions, Standing, Verdict, judge, lost_twice, refusal
from shared.errors import Cancelled, DeadlineExceeded, ModelUnavailable, PoisonRequest, WorkerLost, from_code
from shared.logs import get_logger
from shared.messages import Accepted, Cancel, ChoiceFinished, Failed, Finished, Usage

log = get_logger("gateway.dispatch")

NOTED_WITHIN = 1.0  # seconds that the end of an answer may wait for its usage to be written

StreamState = Literal["queued", "running", "done"]


@dataclass(slots=True)
class Times:
    """Moments on the dispatcher's clock, in seconds; `first` is the first delta."""

    enqueued: float
    sent: float | None = None
    first: float | None = None
    done: float | None = None


class RequestObserver(Protocol):
    """Hooks for metrics, each called at most once a request, synchronously."""

    def on_queued(self, model: str, times: Times) -> None:
        """It passed the door."""
        ...

    def on_sent(self, model: str, times: Times) -> None:
        """It got its credit and went to a worker; a replay is not reported."""
        ...

    def on_first(self, model: str, times: Times) -> None:
        """Its first delta arrived."""
        ...

    def on_done(self, model: str, outcome: str, usage: Usage, times: Times) -> None:
        """It ended. `outcome`: the last finish reason, "finished" for work without choices, or an error's code."""
        ...


class Tenant(Protocol):
    """On whose behalf a request runs."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float:
        """Its share of a model's time, beside others."""
        ...

    def opened(self, stream: Stream) -> None:
        """One of its requests begins; the tenant may `revoke` it."""
        ...

    def closed(self, stream: Stream) -> asyncio.Event | None:
        """The request has ended; its usage is final. The consumer learns of the end once the event is set."""
        ...


class _Nobody:
    name, weight = "", 1.0

    def opened(self, stream: Stream) -> None:
        return

    def closed(self, stream: Stream) -> asyncio.Event | None:
        return None


NOBODY: Tenant = _Nobody()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may wait for its model to load, seconds; `remaining` tells how long that still takes."""

    seconds: float
    remaining: Callable[[], float | None]


class NoObserver:
    """Observes nothing."""

    def on_queued(self, model: str, times: Times) -> None:
        return

    def on_sent(self, model: str, times: Times) -> None:
        return

    def on_first(self, model: str, times: Times) -> None:
        return

    def on_done(self, model: str, outcome: str, usage: Usage, times: Times) -> None:
        return


class Stream:
    """An async iterator of `Accepted` and deltas that ends after `Finished` and raises a RequestError on `Failed`.

    Use it with `async with`: leaving early, or a cancellation while waiting, cancels the request. `wait` is for
    keep-alives: unlike a timeout around `anext` it leaves the request alone.
    """

    def __init__(
        self,
        model: str,
        request: str,
        frame: bytes,
        blobs: Sequence[Blob],
        *,
        router: Router,
        lane: Lane,
        observer: RequestObserver,
        clock: Callable[[], float],
        tenant: Tenant = NOBODY,
        patience: Patience | None = None,
        convictions: Convictions | None = None,
    ) -> None:
        self.model = model
        self.request = request
        self.state: StreamState = "queued"
        self.times = Times(clock())
        self._frame = frame
        self._blobs = tuple(blobs)
        self._router = router
        self._lane = lane
        self._observer = observer
        self._clock = clock
        self._mailbox = router.mailboxes.open(request, self)
        self._waiter = lane.ticket(tenant.name, tenant.weight)
        self._tenant = tenant
        self._patience = patience
        self._convictions = convictions
        self.standing = Standing.CLEAR
        self._deaths = 0  # of workers that ran it
        self._held: str | None = None  # the incarnation whose credit it holds
        self.outcome = "finished"  # the last finish reason, or the code of what ended it
        self._noted: asyncio.Event | None = None
        self._retry_after: float | None = None
        self._shown = self._accepted = self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._whole: list[Event] | None = None  # what `whole` has so far; nothing of it is shown

    # ------------------------------------------------------------------ the consumer
    @property
    def usage(self) -> Usage:
        """Tokens so far; exact once the stream has ended."""
        return self._mailbox.usage

    @property
    def unbound(self) -> tuple[str, ...]:
        """Keywords of schemas that the answer is not held to while it is written."""
        return self._mailbox.unbound

    @property
    def unmet(self) -> tuple[str, ...]:
        """Those of them that the answer breaks, so far."""
        return self._mailbox.unmet

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._over:
            event = self._mailbox.take()
            if event is None:
                try:
                    await self._mailbox.filled()
                except asyncio.CancelledError:
                    self.cancel()
                    raise
            elif isinstance(event, Failed):
                self._over = True
                await self._until_noted()
                raise from_code(event.code, event.message, param=event.param, retry_after=self._wait_for(event))
            elif isinstance(event, Accepted) and self._accepted:
                continue  # of a replay
            else:
                self._show(event)
                if self._over:
                    await self._until_noted()
                return event
        raise StopAsyncIteration

    def _wait_for(self, failed: Failed) -> float | None:
        """Seconds after which another try makes sense."""
        if failed.code == WorkerLost.code and self._patience is not None:
            return self._patience.remaining()
        return self._retry_after

    async def _until_noted(self) -> None:
        if self._noted is not None:
            with contextlib.suppress(TimeoutError):  # a slow disk does not keep anybody waiting
                await asyncio.wait_for(self._noted.wait(), NOTED_WITHIN)

    async def whole(self) -> list[Event]:
        """All events at once. Nothing is shown before the end, so a worker's death replays the request at any time.

        Who waits for all of it does not wait longer than `patience` for a model to load.
        """
        self._whole = []
        timer = None
        if self._patience is not None:
            timer = asyncio.get_running_loop().call_later(self._patience.seconds, self._impatient, self._patience)
        try:
            async for event in self:
                self._whole.append(event)
        finally:
            if timer is not None:
                timer.cancel()
        return self._whole

    def _impatient(self, patience: Patience) -> None:
        if self.state == "queued" and not self._lane.served:
            self._retry_after = patience.remaining()
            self._abort(ModelUnavailable.code, f"The model `{self.model}` is still loading; try again later.")

    async def wait(self, seconds: float) -> bool:
        """Whether the next event is there within `seconds`."""
        if self._over or self._mailbox.has_events:
            return True
        try:
            await asyncio.wait_for(self._mailbox.filled(), seconds)
        except TimeoutError:
            return False
        return self._mailbox.has_events

    async def aclose(self) -> None:
        """Ends the request if it runs. Idempotent."""
        self.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _show(self, event: Event) -> None:
        if isinstance(event, Accepted):
            self._accepted = True
            return
        self._over = isinstance(event, Finished)
        if self._whole is None:
            self._shown = True
            self._frame, self._blobs = b"", ()  # can't be replayed any more

    # ------------------------------------------------------------------ verbs
    def start(self, timeout: float | None) -> None:
        """Goes to the lane; gives up after `timeout` seconds."""
        self._tenant.opened(self)
        self._observer.on_queued(self.model, self.times)
        if timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, timeout), self._expire)
        self._lane.enter(self._waiter, self)

    def cancel(self) -> None:
        """The client is gone. Idempotent."""
        self._over = True
        self._abort(Cancelled.code, "the request was cancelled")

    def revoke(self, code: str, message: str) -> None:
        """The tenant may not go on: the stream ends with that error. Nothing happens when it has ended."""
        self._abort(code, message)

    def _expire(self) -> None:
        self._abort(DeadlineExceeded.code, "the request took longer than it may")

    def _abort(self, code: str, message: str) -> None:
        if self.state == "done":
            return
        running = self._held
        self._lane.leave(self._waiter)
        self._mailbox.close(Failed(self.request, code, message))
        if running is None:
            self._router.mailboxes.settle(self._mailbox)
            return
        try:
            self._router.send(running, Cancel(self.request))
        except WorkerLost:
            log.debug("a cancel found its worker gone", request=self.request, worker=running)

    # ------------------------------------------------------------------ the lane calls
    def granted(self, identity: str, trial: bool) -> None:
        self.state = "running"
        self._held = identity
        self._router.mailboxes.bind(self._mailbox, identity)
        if trial:
            self.standing = Standing.ON_TRIAL
            self._mailbox.hold()
        try:
            self._router.send_frames(identity, self._frame, self._blobs)
        except WorkerLost:
            self._lane.remove_worker(identity)
            self._go_back(Standing.SUSPECT if trial else Standing.CLEAR)
            return
        if self.times.sent is None:
            self.times.sent = self._clock()
            self._observer.on_sent(self.model, self.times)

    def refused(self, refusal: Refusal) -> None:
        self._retry_after = refusal.retry_after
        self._mailbox.close(Failed(self.request, refusal.code, refusal.message))
        self._router.mailboxes.settle(self._mailbox)

    def acquitted(self) -> None:
        self.standing = Standing.CLEAR
        self._mailbox.release()

    def adjourned(self) -> None:
        self._mailbox.release()

    # ------------------------------------------------------------------ the mailbox calls
    def on_first_delta(self) -> None:
        self._pass()
        if self.times.first is not None:
            return
        self.times.first = self._clock()
        self._observer.on_first(self.model, self.times)

    def _pass(self) -> None:
        if self.standing is Standing.ON_TRIAL and self._held is not None:
            self.standing = Standing.PASSED
            self._lane.passed(self._held, self._waiter)

    def on_choice(self, finished: ChoiceFinished) -> None:
        self.outcome = finished.reason

    def on_end(self, terminal: Terminal) -> None:
        self.state = "done"
        self.times.done = self._clock()
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(terminal, Failed):
            self.outcome = terminal.code
        self._observer.on_done(self.model, self.outcome, terminal.usage, self.times)
        self._noted = self._tenant.closed(self)

    def on_settled(self) -> None:
        if self._held is not None:
            self._lane.release(self._held, self._waiter)
            self._held = None

    def on_lost(self, failed: Failed, blame: bool) -> bool:
        if failed.code != WorkerLost.code or self.state != "running":
            return False
        verdict = judge(self.standing, shown=self._shown, deaths=self._deaths, blame=blame)
        log.info("lost its worker", request=self.request, model=self.model, verdict=verdict.name.lower())
        if verdict is Verdict.POISON:
            self._convict()
            return False
        if verdict is Verdict.LOST:
            if not self._shown:
                self._mailbox.close(Failed(self.request, failed.code, lost_twice(self.model)))
            return False
        self._deaths += self.standing is not Standing.PASSED
        self._go_back(Standing.SUSPECT if verdict is Verdict.TRY else Standing.CLEAR)
        return True

    def _convict(self) -> None:
        if self._convictions is not None:
            self._convictions.add(self.model, self._frame, self.request, self._blobs)
        self._mailbox.close(Failed(self.request, PoisonRequest.code, refusal(self.model)))

    def _go_back(self, standing: Standing) -> None:
        self.state = "queued"
        self.standing = standing
        self._held = None
        if self._whole is not None:
            self._whole.clear()
            self._accepted = False
        self._router.mailboxes.rewind(self._mailbox)
        self._lane.enter(self._waiter, self)
