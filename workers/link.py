"""The worker's side of the wire: an io thread that owns the DEALER.

Frames from the gateway are decoded here and handed to a callback; what other threads send goes through a queue and a
wake-up byte, so that it leaves promptly and in order. The pulse (`Stats`) leaves about once a second even while the
engine thread is stuck: it then repeats the last known counters, and the gateway sees that `steps` stands still. A step
that is slow is told from one that is stuck by `beats`, which counts the pulses at which the device's activity differed.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import zmq

from shared.channel import connect_dealer
from shared.codec import Frame, decode, encode
from shared.errors import CodecError
from shared.logs import get_logger
from shared.messages import Down, Hello, Stats, Up
from shared.spec import WorkerSpec

_log = get_logger("workers.link")

PULSE = 1.0  # seconds between two Stats
FLUSH = 2.0  # seconds that close() may spend on what is queued

OnMessage = Callable[[Down, Sequence[memoryview]], None]


class Link:
    """Both callbacks run on the io thread: `on_message` must only hand over, `on_broken` says that the thread ends."""

    def __init__(
        self,
        spec: WorkerSpec,
        on_message: OnMessage,
        on_broken: Callable[[], None],
        pulse: float = PULSE,
        activity: Callable[[], Hashable] = lambda: None,
    ) -> None:
        """`activity`: a value that changes while the device works; called on the io thread."""
        self._spec = spec
        self._on_message = on_message
        self._on_broken = on_broken
        self._pulse = pulse
        self._activity = activity
        self._last_activity: Hashable = None
        self._beats = 0
        self._stats = Stats(0, 0, 0, 0, 0, 0, 0, 0, 0)
        self._outbox: deque[list[Frame]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Connects and says `Hello`."""
        self.send(Hello(self._spec.name, self._spec.incarnation, os.getpid()))
        self._thread.start()

    def send(self, message: Up) -> None:
        """From any thread; frames leave in the order of the calls. Raises CodecError for what can't travel."""
        blobs: list[Frame] = []
        head = encode(message, blobs)
        self._outbox.append([head, *blobs])
        self._wake()

    def publish(self, stats: Stats) -> None:
        """The counters that the next pulse carries."""
        self._stats = stats

    def close(self) -> None:
        """Sends what is queued, waiting a bounded time for it, and ends the io thread. Not from the io thread."""
        self._closing.set()
        self._wake()
        self._thread.join(timeout=FLUSH + 1.0)

    def _wake(self) -> None:
        try:
            self._wake_in.send(b"\0")
        except BlockingIOError:
            pass  # full of wake-ups: the io thread is awake already
        except OSError:
            _log.warning("a frame was dropped: the link is closed")

    def _run(self) -> None:
        try:
            with zmq.Context() as context:  # leaving it waits for what the linger allows
                dealer = connect_dealer(context, self._spec.endpoint, self._spec.identity)
                try:
                    self._serve(dealer)
                finally:
                    dealer.close(linger=int(FLUSH * 1000))
        except Exception:  # the thread's boundary
            _log.exception("the link broke")
            self._on_broken()
        finally:
            self._wake_in.close()
            self._wake_out.close()

    def _serve(self, dealer: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(dealer, zmq.POLLIN)
        poller.register(self._wake_out, zmq.POLLIN)
        due = time.monotonic()
        while not self._closing.is_set():
            events = dict(poller.poll(max(0, math.ceil((due - time.monotonic()) * 1000))))
            if self._wake_out.fileno() in events:
                self._wake_out.recv(4096)
            self._flush(dealer)
            if dealer in events:
                self._receive(dealer)
            if time.monotonic() >= due:
                dealer.send(encode(self._beat()))
                due = time.monotonic() + self._pulse
        self._flush(dealer)

    def _beat(self) -> Stats:
        activity = self._activity()
        self._beats += activity != self._last_activity
        self._last_activity = activity
        return replace(self._stats, beats=self._beats)

    def _flush(self, dealer: zmq.Socket[bytes]) -> None:
        while self._outbox:
            frames = self._outbox.popleft()
            dealer.send_multipart(frames, copy=len(frames) == 1)

    def _receive(self, dealer: zmq.Socket[bytes]) -> None:
        while True:
            try:
                head, *blobs = dealer.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                message = decode(head.bytes, [blob.buffer for blob in blobs])
                if not isinstance(message, Down):
                    raise CodecError(f"{type(message).__name__} doesn't travel to a worker")
            except CodecError as error:
                _log.warning("a frame was dropped", reason=error.message)
                continue
            self._on_message(message, [blob.buffer for blob in blobs])
