"""Real processes, killed. After each fault one plain request must still be served."""

import asyncio
import contextlib
import os
import random
import signal

import pytest
import zmq

from gateway.bus.mailbox import Event
from gateway.bus.router import Report, Router
from gateway.routing.dispatch import Stream
from gateway.supervisor.process import spawn
from shared.channel import connect_dealer
from shared.codec import encode
from shared.errors import ModelUnavailable, PoisonRequest, RequestError, ShuttingDown, WorkerLost
from shared.lifecycle import State
from shared.messages import Accepted, ChoiceFinished, Finished, Loading, Step, TextDelta
from shared.spec import WorkerSpec
from tests.fakes.node import FakeNode, fake_argv, fake_node, is_alive

ORPHANED = 3  # workers' exit code when stdin ends


async def first_text(stream: Stream) -> None:
    async for event in stream:
        if isinstance(event, TextDelta):
            return


async def read(stream: Stream) -> list[Event]:
    async with stream:
        return [event async for event in stream]


async def ending(stream: Stream) -> BaseException | Event:
    """How a stream ends: its error or its last event. What comes after must be nothing."""
    try:
        last = (await read(stream))[-1]
    except WorkerLost as error:
        assert [event async for event in stream] == []
        return error
    return last


async def ending_of_any(stream: Stream) -> None:
    """Whatever the end: there has to be one."""
    with contextlib.suppress(RequestError):
        await read(stream)


async def assert_serves(node: FakeNode) -> None:
    events = await read(node.ask("echo 3"))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "w0 w1 w2 "
    assert isinstance(events[-2], ChoiceFinished)
    assert isinstance(events[-1], Finished)


async def test_kill_9_in_the_middle_of_streams() -> None:
    async with fake_node(max_batch=4) as node:
        await node.fleet.worker("chat").ensure_ready()
        streams = [node.ask("forever") for _ in range(4)]
        queued = node.ask("echo 2")
        await asyncio.gather(*(first_text(stream) for stream in streams))
        assert queued.state == "queued"
        victim = node.pid()
        os.kill(victim, signal.SIGKILL)
        for end in await asyncio.gather(*(ending(stream) for stream in streams)):
            assert isinstance(end, WorkerLost)
        assert all(stream.usage.completion_tokens > 0 for stream in streams)
        assert isinstance(await ending(queued), Finished)  # by the next incarnation
        await assert_serves(node)
        assert node.pid() != victim
        assert not is_alive(victim)
        assert (node.facts().restarts, node.facts().last_error) == (1, "was killed by signal 9")
        assert len(node.router.mailboxes) == 0


async def test_a_request_that_showed_nothing_survives_the_kill() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        os.kill(node.pid(), signal.SIGSTOP)  # it can't answer any more
        stream = node.ask("echo 2")
        assert stream.state == "running"
        os.kill(node.pid(), signal.SIGKILL)
        assert isinstance(await ending(stream), Finished)
        assert node.facts().incarnation == 2


async def test_a_request_that_kills_its_worker_kills_two_and_then_ends() -> None:
    async with fake_node() as node:
        with pytest.raises(PoisonRequest):
            await read(node.ask("crash"))
        await assert_serves(node)
        assert node.facts().incarnation == 3
        with pytest.raises(PoisonRequest):
            node.ask("crash")  # a client's own retry
        await assert_serves(node)
        assert node.facts().incarnation == 3


async def test_a_poison_request_takes_nobody_with_it() -> None:
    async with fake_node(max_batch=8) as node:
        await node.fleet.worker("chat").ensure_ready()
        os.kill(node.pid(), signal.SIGSTOP)  # all of them arrive together
        before = [node.ask("echo 4") for _ in range(3)]
        poison = node.ask("crash")
        after = [node.ask("echo 4") for _ in range(3)]
        wholes = [asyncio.create_task(stream.whole()) for stream in after]
        os.kill(node.pid(), signal.SIGCONT)
        with pytest.raises(PoisonRequest):
            await read(poison)
        for stream in before:
            assert isinstance(await ending(stream), Finished)
        for events in await asyncio.gather(*wholes):
            assert isinstance(events[-1], Finished)
        assert node.facts().incarnation == 3
        await assert_serves(node)


async def killed_at_a_random_moment(node: FakeNode, chance: random.Random) -> None:
    """Kills the present incarnation, while it loads or while it serves; returns when it has been buried."""
    worker = node.fleet.worker("chat")
    while (life := worker.life) is None or life.process is None:
        await asyncio.sleep(0.001)
    if chance.random() < 0.7:
        await worker.ensure_ready()
        node.clock.skew += 20  # it has served for so long
        for _ in range(chance.randrange(300)):
            await asyncio.sleep(0)
    life.process.signal(signal.SIGKILL)
    while worker.life is life:
        await asyncio.sleep(0.001)


async def test_twelve_kills_at_random_moments_lose_no_model() -> None:
    chance = random.Random(7)
    async with fake_node(max_batch=4) as node:
        worker = node.fleet.worker("chat")
        await worker.ensure_ready()
        for _ in range(12):
            streams = [node.ask(text) for text in ("forever", "forever", "echo 300", "echo 300")]
            tasks = [asyncio.create_task(ending_of_any(stream)) for stream in streams]
            await killed_at_a_random_moment(node, chance)
            assert worker.state is State.BACKOFF
            for stream in streams:
                await stream.aclose()
            await asyncio.gather(*tasks)
        await assert_serves(node)
        assert node.facts().restarts == 12
        assert len(node.router.mailboxes) == 0


async def test_a_worker_that_somebody_terminates_takes_nothing_with_it() -> None:
    async with fake_node(max_batch=4) as node:
        await node.fleet.worker("chat").ensure_ready()
        shown = node.ask("forever")
        await first_text(shown)
        whole = asyncio.create_task(node.ask("echo 1500").whole())
        while node.router.open_on("chat.1") < 2:
            await asyncio.sleep(0)
        os.kill(node.pid(), signal.SIGTERM)
        assert isinstance(await ending(shown), WorkerLost)  # and not that the node is shutting down
        assert isinstance((await whole)[-1], Finished)
        await assert_serves(node)
        assert node.facts().incarnation == 2


async def test_a_slow_step_is_no_hang() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        slow = asyncio.create_task(node.ask("slow 4").whole())
        for beats in (1, 2, 3):
            while (stats := node.facts().stats) is None or stats.beats < beats:
                await asyncio.sleep(0.001)
            node.clock.skew += 100  # three times less than the hang timeout, and together far more
        assert isinstance((await slow)[-1], Finished)
        assert node.facts().incarnation == 1


async def test_a_frozen_idle_worker_is_found() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        victim = node.pid()
        os.kill(victim, signal.SIGSTOP)
        while node.facts().incarnation == 1:
            await asyncio.sleep(0.01)
        assert not is_alive(victim)
        assert "no sign of life" in str(node.facts().last_error)
        await assert_serves(node)


async def test_a_hang_is_killed_by_the_watchdog() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        shown = node.ask("forever")
        await first_text(shown)
        hung = node.ask("hang")
        assert isinstance(await anext(hung), Accepted)  # the last that the worker says: its next step hangs
        victim = node.pid()
        node.clock.skew += 200
        assert isinstance(await ending(shown), WorkerLost)
        await hung.aclose()
        await assert_serves(node)
        assert not is_alive(victim)
        assert "no progress" in str(node.facts().last_error)


async def test_three_crashes_at_load_are_quarantine() -> None:
    async with fake_node(source="fake:crash") as node:
        waiting = node.ask("echo 1")
        with pytest.raises(ModelUnavailable):
            await node.fleet.worker("chat").ensure_ready()
        facts = node.facts()
        assert (facts.state, facts.incarnation, facts.pid) == (State.QUARANTINED, 3, None)
        assert facts.last_error == "exited with status 13"
        assert node.fleet.snapshot().status == "degraded"
        with pytest.raises(ModelUnavailable):
            await read(waiting)
        with pytest.raises(ModelUnavailable) as caught:
            node.ask("echo 1")
        assert caught.value.retry_after is not None


async def test_a_model_that_cannot_be_hosted_is_tried_once() -> None:
    async with fake_node(source="fake:broken") as node:
        with pytest.raises(ModelUnavailable):
            await node.fleet.worker("chat").ensure_ready()
        assert (node.facts().incarnation, node.facts().last_error) == (1, "the fake model is broken")


async def test_a_cancel_gives_the_credit_back() -> None:
    async with fake_node(max_batch=1) as node:
        for _ in range(3):
            async with node.ask("forever") as stream:
                await first_text(stream)
        await assert_serves(node)


async def test_frames_of_a_stale_incarnation_are_dropped() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        os.kill(node.pid(), signal.SIGKILL)
        await assert_serves(node)
        async with node.ask("forever") as stream:
            await first_text(stream)
            with zmq.Context() as context:
                ghost = connect_dealer(context, node.router.endpoint, "chat.1")
                forged = Step((TextDelta(stream.request, 0, "from the dead"), Finished(stream.request)))
                ghost.send(encode(forged))
                ghost.close(linger=1000)
            said = [await anext(stream) for _ in range(20)]
        assert all(isinstance(event, TextDelta) and event.text.startswith("w") for event in said)


async def test_stopping_ends_what_runs_after_the_grace_and_reaps() -> None:
    async with fake_node() as node:
        await node.fleet.worker("chat").ensure_ready()
        stream = node.ask("forever")
        await first_text(stream)
        pid = node.pid()
        stopping = asyncio.create_task(node.fleet.stop())
        while node.facts().state is not State.DRAINING:
            await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            node.ask("echo 1")
        node.clock.skew += 60  # the grace is over
        with pytest.raises(ModelUnavailable):
            await read(stream)
        await stopping
        assert not is_alive(pid)
        assert node.facts().state is State.STOPPED


class Ears:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Report] = asyncio.Queue()

    def received(self, report: Report) -> None:
        self.heard.put_nowait(report)

    def progressed(self) -> None:
        return

    def unreachable(self) -> None:
        return


async def test_a_worker_ends_when_its_stdin_does() -> None:
    async with fake_node() as node:
        router: Router = node.router
        ears = Ears()
        router.listen("orphan.1", ears)
        spec = WorkerSpec("orphan", 1, router.endpoint, "fake:stuck")
        process = await spawn(spec, fake_argv)
        while not isinstance(await ears.heard.get(), Loading):
            continue
        process.close()
        assert await process.wait() == ORPHANED
