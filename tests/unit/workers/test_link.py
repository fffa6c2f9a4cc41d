from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from shared.codec import encode
from shared.errors import CodecError
from shared.messages import Accepted, Blob, Bye, Cancel, Drain, Hello, Sound, Stats, Step, Stop
from shared.spec import WorkerSpec
from tests.fakes.router import FakeGateway, fake_gateway
from workers.link import Link

Inbox = SimpleQueue[tuple[Any, list[bytes]]]
STATS = Stats(7, 1, 2, 3, 4, 5, 6, 7, 8)


@contextmanager
def linked(pulse: float = 3600) -> Iterator[tuple[FakeGateway, Link, Inbox]]:
    inbox: Inbox = SimpleQueue()
    with fake_gateway() as gateway:
        spec = WorkerSpec("chat", 3, gateway.endpoint, "fake:")
        link = Link(
            spec, lambda message, blobs: inbox.put((message, [bytes(blob) for blob in blobs])), lambda: None, pulse
        )
        link.start()
        yield gateway, link, inbox
        link.close()


def test_hello_comes_first_and_under_the_workers_identity() -> None:
    with linked() as (gateway, _, _):
        assert gateway.hear() == Hello("chat", 3, os.getpid())
        assert gateway.identity == b"chat.3"


def test_messages_arrive_with_their_blobs() -> None:
    with linked() as (gateway, _, inbox):
        gateway.next(Hello)
        gateway.tell(Cancel("a"), b"pixels", b"x" * 200_000)
        gateway.tell(Drain())
        assert inbox.get(timeout=20) == (Cancel("a"), [b"pixels", b"x" * 200_000])
        assert inbox.get(timeout=20) == (Drain(), [])


def test_what_is_not_for_a_worker_is_dropped_and_the_next_message_arrives() -> None:
    with linked() as (gateway, _, inbox):
        gateway.next(Hello)
        gateway.raw(b"\xc1 not msgpack")
        gateway.raw(encode(Bye("wrong way")))
        gateway.tell(Stop(1.0))
        assert inbox.get(timeout=20) == (Stop(1.0), [])


def test_frames_leave_in_order_from_any_thread_with_their_blobs() -> None:
    with linked() as (gateway, link, _):
        gateway.next(Hello)
        sender = threading.Thread(target=lambda: [link.send(Accepted(f"r{n}")) for n in range(300)])
        sender.start()
        assert [gateway.next(Accepted).request for _ in range(300)] == [f"r{n}" for n in range(300)]
        sender.join()
        link.send(Step((Sound("r", Blob(b"sound"), 0.5),)))
        assert gateway.next(Step).deltas == (Sound("r", Blob(b"sound"), 0.5),)
        assert gateway.blobs == [b"sound"]


def test_what_cannot_travel_is_the_senders_error() -> None:
    with linked() as (_, link, _), pytest.raises(CodecError):
        link.send(object())  # type: ignore[arg-type]


def test_the_pulse_repeats_the_last_known_counters() -> None:
    with linked(pulse=0.01) as (gateway, link, _):
        link.publish(STATS)
        while gateway.next(Stats) != STATS:
            pass
        assert gateway.next(Stats) == STATS  # nobody published anything in between


def test_close_sends_what_is_queued() -> None:
    with linked() as (gateway, link, _):
        for n in range(100):
            link.send(Accepted(f"r{n}"))
        link.send(Bye("stopped"))
        link.close()
        heard = gateway.hear_until(lambda message: isinstance(message, Bye))
        assert len(heard) == 102  # Hello, 100 Accepted, Bye


def test_a_pulse_tells_whether_the_device_has_moved() -> None:
    looks = iter([5, 5, 6, 7, 7])
    with fake_gateway() as gateway:
        spec = WorkerSpec("chat", 3, gateway.endpoint, "fake:")
        link = Link(spec, lambda *_: None, lambda: None, pulse=0.01, activity=lambda: next(looks, 7))
        link.start()
        beats = [gateway.next(Stats).beats for _ in range(6)]
        link.close()
    assert beats == [1, 1, 2, 3, 3, 3]


def test_close_does_not_wait_for_ever_for_an_absent_gateway(tmp_path: Any) -> None:
    link = Link(WorkerSpec("chat", 1, f"ipc://{tmp_path}/nobody", "fake:"), lambda *_: None, lambda: None)
    link.start()
    link.close()
    assert not link._thread.is_alive()


def test_a_broken_io_thread_is_reported() -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("nobody takes messages")

    broken = threading.Event()
    with fake_gateway() as gateway:
        link = Link(WorkerSpec("chat", 1, gateway.endpoint, "fake:"), fail, broken.set)
        link.start()
        gateway.next(Hello)
        gateway.tell(Drain())
        assert broken.wait(20)
        link.close()
