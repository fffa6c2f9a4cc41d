import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import zmq

from gateway.bus.mailbox import Mailbox
from gateway.bus.router import Report, Router
from shared.channel import connect_dealer, make_endpoint
from shared.codec import decode, encode
from shared.errors import CodecError, WorkerLost
from shared.messages import (
    Accepted,
    Cancel,
    Count,
    Fatal,
    Finished,
    Hello,
    Loading,
    Prompt,
    Stats,
    Step,
    TextDelta,
    Usage,
)
from tests.fakes.addressee import Owner, everything


class Ears:
    """A listener that tests can wait on."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Report] = asyncio.Queue()
        self.progress = 0
        self.lost = 0

    def received(self, report: Report) -> None:
        self.heard.put_nowait(report)

    def progressed(self) -> None:
        self.progress += 1

    def unreachable(self) -> None:
        self.lost += 1


@pytest.fixture
def endpoint() -> Iterator[str]:
    address, folder = make_endpoint()
    yield address
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@asynccontextmanager
async def router_and_worker(endpoint: str) -> AsyncIterator[tuple[Router, zmq.Socket[bytes]]]:
    router = Router(endpoint)
    router.start()
    with zmq.Context() as context:
        dealer = connect_dealer(context, endpoint, "chat.1")
        try:
            yield router, dealer
        finally:
            dealer.close()
            await router.close()


async def greet(router: Router, dealer: zmq.Socket[bytes]) -> Ears:
    ears = Ears()
    router.listen("chat.1", ears)
    dealer.send(encode(Hello("chat", 1, 7)))
    assert await ears.heard.get() == Hello("chat", 1, 7)
    return ears


async def test_deltas_reach_their_mailboxes_and_count_as_progress(endpoint: str) -> None:
    async with router_and_worker(endpoint) as (router, dealer):
        ears = await greet(router, dealer)
        boxes: list[Mailbox] = []
        for name in "ab":
            boxes.append(router.mailboxes.open(name, Owner()))
            router.mailboxes.bind(boxes[-1], "chat.1")
        dealer.send(encode(Accepted("a", 4)))
        dealer.send(encode(Step((TextDelta("a", 0, "x"), TextDelta("b", 0, "y"), Finished("a", Usage(4, 0, 1))))))
        dealer.send(encode(Loading("load")))
        await ears.heard.get()
        assert everything(boxes[0]) == [Accepted("a", 4), TextDelta("a", 0, "x"), Finished("a", Usage(4, 0, 1))]
        assert everything(boxes[1]) == [TextDelta("b", 0, "y")]
        assert ears.progress == 2


async def test_a_stale_incarnation_is_not_heard(endpoint: str) -> None:
    async with router_and_worker(endpoint) as (router, dealer):
        ears = await greet(router, dealer)
        with zmq.Context() as context:
            old = connect_dealer(context, endpoint, "chat.0")
            mailbox = router.mailboxes.open("r", Owner())
            router.mailboxes.bind(mailbox, "chat.1")
            router.listen("chat.0", (old_ears := Ears()))
            old.send(encode(Loading("first")))
            await old_ears.heard.get()
            router.forget("chat.0")
            old.send(encode(Step((TextDelta("r", 0, "stale"),))))
            old.send(encode(Loading("stale")))
            router.listen("flush.1", (flush := Ears()))
            flusher = connect_dealer(context, endpoint, "flush.1")
            flusher.send(encode(Loading("flush")))
            await flush.heard.get()
            dealer.send(encode(Stats(1, 0, 0, 0, 0, 0, 0, 0, 0)))
            assert isinstance(await ears.heard.get(), Stats)
            assert everything(mailbox) == []
            assert old_ears.heard.empty()
            old.close()
            flusher.close()


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xc1", b"\x93\x01", encode(Cancel("r")), encode(Usage()), encode(Step(5))],  # type: ignore[arg-type]
    ids=["empty", "reserved", "cut", "downward", "a part", "wrong types"],
)
async def test_a_broken_frame_is_the_workers_fault_and_not_the_end_of_the_bus(endpoint: str, frame: bytes) -> None:
    async with router_and_worker(endpoint) as (router, dealer):
        ears = await greet(router, dealer)
        dealer.send(frame)
        fatal = await ears.heard.get()
        assert isinstance(fatal, Fatal)
        assert fatal.code == CodecError.code
        dealer.send(encode(Loading("still here")))
        assert await ears.heard.get() == Loading("still here")


async def test_a_message_and_its_blobs_arrive(endpoint: str) -> None:
    async with router_and_worker(endpoint) as (router, dealer):
        await greet(router, dealer)
        work = Count("r", Prompt(text="hi"))
        blob = bytes(200_000)
        router.send_frames("chat.1", encode(work), (blob, memoryview(b"small")))
        router.send("chat.1", Cancel("r"))
        frames = dealer.recv_multipart()
        assert decode(frames[0]) == work
        assert frames[1:] == [blob, b"small"]
        assert decode(dealer.recv()) == Cancel("r")


async def test_an_unknown_peer_is_a_lost_worker(endpoint: str) -> None:
    async with router_and_worker(endpoint) as (router, _):
        ears = Ears()
        router.listen("chat.9", ears)
        with pytest.raises(WorkerLost):
            router.send("chat.9", Cancel("r"))
        assert ears.lost == 1


async def test_a_flood_lets_the_loop_run(endpoint: str) -> None:
    async with router_and_worker(endpoint) as (router, dealer):
        ears = await greet(router, dealer)
        for _ in range(2000):
            dealer.send(encode(Loading("x")))
        await ears.heard.get()
        assert ears.heard.qsize() < 100  # the consumer's turn came before the flood was over


async def test_a_closed_bus_sends_nothing(endpoint: str) -> None:
    router = Router(endpoint)
    router.start()
    await router.close()
    await router.close()
    with pytest.raises(WorkerLost):
        router.send("chat.1", Cancel("r"))
