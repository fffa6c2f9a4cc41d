"""Opens requests and keeps the lanes: the only door between the API and the workers.

The API calls `open`; the supervisor reports each worker's life (`worker_ready` … `close_model`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from gateway.bus.router import Blob, Router
from gateway.routing.admission import Lane, Refusal
from gateway.routing.registry import ModelEntry
from gateway.routing.stream import NOBODY, NoObserver, Patience, RequestObserver, Stream, Tenant, Times
from gateway.routing.suspects import Convictions
from shared.codec import encode
from shared.errors import CodecError, InvalidRequest, ModelNotFound, ModelUnavailable, ShuttingDown, WorkerLost
from shared.messages import Work

__all__ = ["Dispatcher", "NoObserver", "RequestObserver", "Stream", "Times"]

SHUTTING_DOWN = Refusal(ShuttingDown.code, "The gateway is shutting down.", retry_after=5.0)


class Dispatcher:
    """One lane a model. Not started, nothing to close: it lives in the event loop of its caller."""

    def __init__(
        self,
        router: Router,
        models: Iterable[str],
        queue_limit: int,
        *,
        observer: RequestObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._router = router
        self._observer = observer or NoObserver()
        self.on_wanted: Callable[[str], None] = lambda _: None  # told a model's name when requests wait for a worker
        self._queue_limit = queue_limit
        self._lanes: dict[str, Lane] = {}
        self._convictions = Convictions(clock)
        self._shutting_down = False
        for model in models:
            self.add_model(model)

    def add_model(self, model: str) -> None:
        """Requests for it may come; they wait until a worker is there."""
        self._lanes[model] = Lane(model, self._queue_limit, self.clock, lambda name: self.on_wanted(name))

    def remove_model(self, model: str) -> None:
        """Nothing comes for it any more; whoever still waits is refused."""
        self._lanes.pop(model).close(Refusal(ModelUnavailable.code, f"The model `{model}` is gone."))

    def open(
        self,
        entry: ModelEntry,
        work: Work,
        blobs: Sequence[Blob] = (),
        *,
        deadline: float | None = None,
        tenant: Tenant = NOBODY,
        patience: Patience | None = None,
    ) -> Stream:
        """Takes a request in, or refuses it here and now; call it inside the event loop.

        `deadline` is a moment on `self.clock` (time.monotonic). Raises Overloaded, ModelUnavailable, ShuttingDown,
        PoisonRequest for the like of one that ended two workers, or InvalidRequest for values that can't travel (text
        that is not Unicode, numbers beyond 64 bits).
        """
        lane = self._lanes.get(entry.name)
        if lane is None:  # it went while the request was being read
            raise ModelNotFound(f"The model `{entry.name}` is not hosted any more.", param="model")
        lane.check(tenant.name)
        frames = list(blobs)  # a MediaPart knows its frame by position; blobs inside the work come behind
        try:
            frame = encode(work, frames)
        except CodecError as error:
            raise InvalidRequest("the request holds text that is not valid Unicode, or a number too large") from error
        self._convictions.check(entry.name, frame, work.request, frames)
        stream = Stream(
            entry.name,
            work.request,
            frame,
            frames,
            router=self._router,
            lane=lane,
            observer=self._observer,
            clock=self.clock,
            tenant=tenant,
            patience=patience,
            convictions=self._convictions,
        )
        stream.start(None if deadline is None else deadline - self.clock())
        return stream

    def queued(self, model: str) -> int:
        return self._lanes[model].queued

    def running(self, model: str) -> int:
        """Requests that a worker works on, as far as it takes more."""
        return self._lanes[model].running

    def used(self, model: str) -> float:
        """When the model last had a request, on `clock`."""
        return self._lanes[model].used

    # ------------------------------------------------------------------ the supervisor reports
    def worker_ready(self, model: str, identity: str, limit: int) -> None:
        """Requests may go to this incarnation, `limit` at a time."""
        self._lanes[model].add_worker(identity, limit)

    def worker_leaving(self, model: str, identity: str) -> None:
        """Nothing more goes there; what runs there may end."""
        self._lanes[model].remove_worker(identity)

    def worker_lost(
        self, model: str, identity: str, message: str, code: str = WorkerLost.code, *, blame: bool = True
    ) -> None:
        """The incarnation is gone: each of its requests is replayed or fails, here and now.

        `blame`: a request may have been the cause.
        """
        self._lanes[model].remove_worker(identity)
        self._router.mailboxes.fail_all(identity, code, message, blame)

    def pardon(self, model: str) -> None:
        """Requests that ended its workers may be tried again."""
        self._convictions.pardon(model)

    def close_model(self, model: str, refusal: Refusal) -> None:
        """The model can't be had: refuses who waits and who comes. Where another replica serves, nothing happens."""
        if self._lanes[model].served and not self._shutting_down:
            return
        self._lanes[model].close(SHUTTING_DOWN if self._shutting_down else refusal)

    def open_model(self, model: str) -> None:
        """The model is there or on its way: requests may wait for it."""
        if not self._shutting_down:
            self._lanes[model].reopen()

    def shut_down(self) -> None:
        """From now on every model refuses with ShuttingDown; what runs goes on."""
        self._shutting_down = True
        for lane in self._lanes.values():
            lane.close(SHUTTING_DOWN)

    def end_all(self) -> None:
        """Shuts down, and every request that still runs ends here and now with ShuttingDown and its partial usage."""
        self.shut_down()
        self._router.mailboxes.close_all(SHUTTING_DOWN.code, "The gateway stopped before the request ended.")
