"""Stand-ins around a supervised worker: a process, a bus that records, a capacity that records."""

from __future__ import annotations

import asyncio
import signal

from gateway.bus.router import Blob, Listener, Router
from gateway.routing.admission import Refusal
from gateway.supervisor.process import Process
from shared.codec import decode
from shared.errors import WorkerLost
from shared.messages import Down
from shared.spec import WorkerSpec


class FakeProcess:
    """Ends when told, on SIGKILL, and on SIGTERM unless it is stubborn."""

    def __init__(self, pid: int = 4242, stubborn: bool = False) -> None:
        self.pid = pid
        self.stubborn = stubborn
        self.signals: list[signal.Signals] = []
        self.closed = False
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._status)

    def exit(self, status: int = 0) -> None:
        if not self._status.done():
            self._status.set_result(status)

    def signal(self, number: signal.Signals) -> None:
        if self._status.done():
            return
        self.signals.append(number)
        if number is signal.SIGKILL or not self.stubborn:
            self.exit(-number)

    def close(self) -> None:
        self.closed = True


class FakeSpawn:
    """Records specifications; `error` makes the next spawns fail."""

    def __init__(self) -> None:
        self.specs: list[WorkerSpec] = []
        self.processes: list[FakeProcess] = []
        self.error: OSError | None = None

    async def __call__(self, spec: WorkerSpec) -> Process:
        self.specs.append(spec)
        if self.error is not None:
            raise self.error
        self.processes.append(FakeProcess(pid=100 + spec.incarnation))
        return self.processes[-1]


class FakeBus:
    def __init__(self) -> None:
        self.listeners: dict[str, Listener] = {}
        self.sent: list[tuple[str, Down]] = []
        self.open: dict[str, int] = {}

    def listen(self, identity: str, listener: Listener) -> None:
        self.listeners[identity] = listener

    def forget(self, identity: str) -> None:
        self.listeners.pop(identity, None)

    def send(self, identity: str, message: Down) -> None:
        self.sent.append((identity, message))

    def open_on(self, identity: str) -> int:
        return self.open.get(identity, 0)


class FakeCapacity:
    """The calls in their order, as tuples."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refusal: Refusal | None = None
        self.blamed = True  # the last loss

    def worker_ready(self, model: str, identity: str, limit: int) -> None:
        self.calls.append(("ready", identity, limit))

    def worker_leaving(self, model: str, identity: str) -> None:
        self.calls.append(("leaving", identity))

    def worker_lost(
        self, model: str, identity: str, message: str, code: str = "worker_lost", *, blame: bool = True
    ) -> None:
        self.calls.append(("lost", identity, code))
        self.blamed = blame

    def close_model(self, model: str, refusal: Refusal) -> None:
        self.calls.append(("close", model))
        self.refusal = refusal

    def open_model(self, model: str) -> None:
        self.calls.append(("open", model))
        self.refusal = None


class RecordingRouter(Router):
    """A router without a socket: what would be sent lies in `sent`, decoded."""

    def __init__(self) -> None:
        super().__init__("ipc:///nowhere")
        self.sent: list[tuple[str, Down, tuple[Blob, ...]]] = []
        self.unreachable: set[str] = set()

    def send_frames(self, identity: str, frame: bytes, blobs: tuple[Blob, ...] | list[Blob] = ()) -> None:  # type: ignore[override]
        if identity in self.unreachable:
            raise WorkerLost("the worker can't be reached")
        self.sent.append((identity, decode(frame, blobs), tuple(blobs)))
