import asyncio
import signal
from collections.abc import Callable

import pytest

from gateway.bus.router import Report
from gateway.supervisor.life import Life
from gateway.supervisor.process import TERM_GRACE
from gateway.supervisor.watchdog import FATAL_GRACE, LONGEST_STEP, Limits
from gateway.supervisor.worker import ASK_GRACE, LAST_WORDS, Worker
from shared.errors import ModelUnavailable
from shared.lifecycle import FAILED_STARTS, QUARANTINE_FIRST, State
from shared.messages import Bye, Drain, Fatal, Hello, Loading, Ready, Stats, Stop
from shared.spec import WorkerSpec
from tests.fakes.clock import FakeClock, settle
from tests.fakes.supervision import FakeBus, FakeCapacity, FakeProcess, FakeSpawn

READY = Ready("llm", 4, 2048, "cpu")


def stats(steps: int, beats: int = 0) -> Stats:
    return Stats(steps, 1, 0, 0, 0, 0, 0, 0, 0, beats)


class Stage:
    """A worker among stand-ins; time is `clock`."""

    def __init__(
        self,
        load_timeout: float = 60,
        hang_timeout: float = 20,
        grace: float = 10,
        on_ready: Callable[[Ready], None] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.bus = FakeBus()
        self.capacity = FakeCapacity()
        self.spawn = FakeSpawn()
        self.learned: list[Ready] = []
        self.retries: list[float] = []
        self.worker = Worker(
            WorkerSpec("chat", 0, "ipc:///nowhere", "model"),
            bus=self.bus,
            capacity=self.capacity,
            limits=Limits(load_timeout, hang_timeout),
            grace=grace,
            on_ready=on_ready or self.learned.append,
            on_retry=lambda: self.retries.append(self.clock.now),
            spawn=self.spawn,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    @property
    def process(self) -> FakeProcess:
        return self.spawn.processes[-1]

    @property
    def calls(self) -> list[tuple[object, ...]]:
        return self.capacity.calls

    async def say(self, *reports: Report) -> None:
        assert self.worker.life is not None
        for report in reports:
            self.worker.life.received(report)
        await settle()

    async def started(self) -> "Stage":
        self.worker.start()
        await settle()
        return self

    async def ready(self) -> "Stage":
        await self.started()
        await self.say(Hello("chat", self.worker.incarnation, 1), Loading("load", 0.5), READY)
        assert self.worker.state is State.READY
        return self

    async def crash(self, status: int = -9) -> None:
        self.process.exit(status)
        await self.clock.advance(LAST_WORDS)

    async def close(self) -> None:
        closing = asyncio.create_task(self.worker.close())
        await self.clock.advance(30)
        await closing


async def test_from_spawn_to_ready() -> None:
    stage = Stage()
    worker = stage.worker
    assert worker.state is State.STOPPED
    await stage.started()
    assert worker.state is State.SPAWNED
    assert stage.spawn.specs[0].identity == "chat.1"
    assert list(stage.bus.listeners) == ["chat.1"]
    await stage.say(Hello("chat", 1, 1))
    assert worker.state is State.LOADING
    await stage.say(Loading("load", 0.5, "layers"))
    assert worker.life is not None
    assert worker.life.pulse.loading == Loading("load", 0.5, "layers")
    await stage.say(READY)
    assert worker.state is State.READY
    assert stage.learned == [READY]
    assert stage.calls == [("open", "chat"), ("ready", "chat.1", 4)]
    await stage.close()


async def test_ensure_ready_is_idempotent_and_waits() -> None:
    stage = Stage()
    waiting = [asyncio.create_task(stage.worker.ensure_ready()) for _ in range(3)]
    await settle()
    assert stage.spawn.specs == []  # starting is the keeper's business
    for _ in range(2):
        stage.worker.start()
    await settle()
    assert not any(task.done() for task in waiting)
    assert len(stage.spawn.specs) == 1
    await stage.say(Hello("chat", 1, 1), READY)
    await asyncio.gather(*waiting)
    await stage.worker.ensure_ready()
    assert len(stage.spawn.specs) == 1
    await stage.close()


async def test_a_crash_settles_requests_first_then_restarts_after_a_pause() -> None:
    stage = await Stage().ready()
    stage.process.exit(-9)
    await settle()
    assert stage.calls[-1] == ("lost", "chat.1", "worker_lost")
    await stage.clock.advance(LAST_WORDS)
    assert stage.worker.state is State.BACKOFF
    assert stage.worker.last_error == "was killed by signal 9"
    assert stage.bus.listeners == {}
    await stage.clock.advance(0.9)
    assert len(stage.spawn.specs) == 1
    await stage.clock.advance(0.2)
    assert [spec.identity for spec in stage.spawn.specs] == ["chat.1", "chat.2"]
    await stage.say(Hello("chat", 2, 1), READY)
    assert stage.worker.state is State.READY
    assert stage.worker.restarts == 1
    await stage.close()


async def quarantined() -> Stage:
    stage = await Stage().started()
    for _ in range(FAILED_STARTS):
        await stage.crash(1)
        await stage.clock.advance(5)
    assert stage.worker.state is State.QUARANTINED
    return stage


async def test_three_failed_starts_are_quarantine_until_a_reset() -> None:
    stage = await quarantined()
    assert stage.worker.last_error == "exited with status 1"
    assert stage.capacity.refusal is not None
    assert (stage.capacity.refusal.code, stage.capacity.refusal.retry_after) == ("model_unavailable", QUARANTINE_FIRST)
    with pytest.raises(ModelUnavailable) as caught:
        await stage.worker.ensure_ready()
    assert caught.value.retry_after == stage.worker.pause_left > QUARANTINE_FIRST - 10
    await stage.clock.advance(QUARANTINE_FIRST - 10)
    assert len(stage.spawn.specs) == FAILED_STARTS
    stage.worker.reset()
    await settle()
    assert stage.worker.state is State.SPAWNED
    assert stage.capacity.refusal is None
    await stage.crash()
    assert stage.worker.state is State.BACKOFF  # a clean record
    assert stage.retries == []
    await stage.close()


async def test_a_quarantine_ends_by_itself_and_may_be_tried_once() -> None:
    stage = await quarantined()
    await stage.clock.advance(QUARANTINE_FIRST)
    assert stage.worker.state is State.STOPPED
    assert stage.capacity.refusal is None
    assert len(stage.retries) == 1
    await stage.started()
    assert stage.worker.state is State.SPAWNED
    await stage.crash(1)
    assert stage.worker.state is State.QUARANTINED
    assert stage.worker.pause_left == 2 * QUARANTINE_FIRST
    await stage.close()
    assert len(stage.retries) == 1


async def test_a_worker_that_was_ready_comes_back_however_often_it_dies() -> None:
    stage = await Stage().started()
    for incarnation in range(1, 13):
        await stage.say(Hello("chat", incarnation, 1), READY)
        await stage.clock.advance(3)
        await stage.crash()
        await stage.clock.advance(61)
        assert stage.worker.state is State.SPAWNED
        await stage.crash()  # while it loads
        await stage.clock.advance(61)
    assert stage.worker.state is State.SPAWNED
    assert ("close", "chat") not in stage.calls
    await stage.close()


async def test_a_reset_ends_a_pause() -> None:
    stage = await Stage().ready()
    for _ in range(2):
        await stage.crash(1)
        await stage.clock.advance(1)
    assert stage.worker.state is State.BACKOFF
    assert stage.worker.pause_left == 1
    stage.worker.reset()
    await settle()
    assert stage.worker.state is State.SPAWNED
    assert stage.worker.pause_left == 0
    await stage.crash()
    assert stage.worker.pause_left == 1  # a clean record
    await stage.close()


@pytest.mark.parametrize("status", [0, -15, -9])
async def test_a_signal_from_outside_is_nobodys_fault(status: int) -> None:
    stage = await Stage().ready()
    for n in range(1, 6):
        await stage.say(Bye("terminated by a signal", terminated=True))
        assert stage.calls[-1] == ("leaving", f"chat.{n}")
        await stage.crash(status)
        assert stage.calls[-1] == ("lost", f"chat.{n}", "worker_lost")
        assert stage.capacity.blamed is False
        await stage.clock.advance(1)
        assert stage.worker.state is State.SPAWNED
        await stage.say(Hello("chat", n + 1, 1), READY)
    await stage.crash(-9)
    assert stage.capacity.blamed is True
    await stage.close()


async def test_reset_of_a_healthy_worker_does_nothing() -> None:
    stage = await Stage().ready()
    stage.worker.reset()
    await settle()
    assert stage.worker.state is State.READY
    await stage.close()


async def test_a_model_that_cannot_be_hosted_is_not_tried_again() -> None:
    stage = await Stage().started()
    await stage.say(Hello("chat", 1, 1), Fatal("config_error", "there is no folder x"))
    stage.process.exit(1)
    await settle()
    assert stage.worker.state is State.QUARANTINED
    assert stage.worker.last_error == "there is no folder x"
    await stage.close()


async def test_last_words_may_come_after_the_exit() -> None:
    stage = await Stage().started()
    stage.process.exit(1)
    await settle()
    assert stage.worker.state is State.CRASHED
    await stage.say(Hello("chat", 1, 1), Fatal("config_error", "no weights"))
    assert stage.worker.state is State.QUARANTINED
    assert stage.worker.last_error == "no weights"
    await stage.close()


async def test_fatal_takes_the_credit_and_a_worker_that_stays_is_killed() -> None:
    stage = await Stage().ready()
    await stage.say(Fatal("step_failed", "broken"))
    assert stage.calls[-1] == ("leaving", "chat.1")
    await stage.clock.advance(FATAL_GRACE + 2)
    assert stage.spawn.processes[0].signals == [signal.SIGKILL]
    assert stage.worker.last_error == "broken"
    await stage.close()


async def test_the_watchdog_kills_a_hang() -> None:
    stage = await Stage(hang_timeout=20).ready()
    for _ in range(10):
        await stage.clock.advance(10)
        await stage.say(stats(0))  # idle is no hang
    assert stage.worker.state is State.READY
    stage.bus.open["chat.1"] = 2
    for n in range(3):
        await stage.clock.advance(15)
        await stage.say(stats(n + 1))
    assert stage.worker.state is State.READY
    for _ in range(2):
        await stage.clock.advance(9)
        await stage.say(stats(3))  # it pulses, but it does not step
    assert stage.process.signals == []
    await stage.clock.advance(4)
    assert stage.spawn.processes[0].signals == [signal.SIGKILL]
    assert ("lost", "chat.1", "worker_lost") in stage.calls
    assert "no progress" in str(stage.worker.last_error)
    stage.bus.open.clear()
    await stage.close()


async def test_a_step_that_moves_is_no_hang_until_it_lasts_too_long() -> None:
    stage = await Stage(hang_timeout=20).ready()
    stage.bus.open["chat.1"] = 1
    await stage.say(stats(1))
    for n in range(LONGEST_STEP):
        await stage.clock.advance(19)
        await stage.say(stats(1, beats=n + 1))
    assert stage.worker.state is State.READY
    for n in range(2):
        await stage.clock.advance(10)
        await stage.say(stats(1, beats=100 + n))
    assert "no progress" in str(stage.worker.last_error)
    stage.bus.open.clear()
    await stage.close()


async def test_an_idle_worker_without_a_pulse_is_killed() -> None:
    stage = await Stage(hang_timeout=20).ready()
    await stage.clock.advance(19)
    await stage.say(stats(0))
    await stage.clock.advance(19)
    assert stage.worker.state is State.READY
    await stage.clock.advance(3)
    assert stage.spawn.processes[0].signals == [signal.SIGKILL]
    assert "no sign of life" in str(stage.worker.last_error)
    await stage.close()


def test_time_in_which_the_gateway_stood_still_is_not_silence() -> None:
    clock = FakeClock()
    life = Life(WorkerSpec("chat", 1, "ipc:///nowhere", "model"), clock)
    clock.now += 500
    assert life.vitals(State.READY, 0).silent == 0
    life.silent_looks += 3
    assert life.vitals(State.READY, 0).silent == 3


async def test_an_answer_is_progress() -> None:
    stage = await Stage(hang_timeout=20).ready()
    stage.bus.open["chat.1"] = 1
    for _ in range(5):
        await stage.clock.advance(15)
        await stage.say(stats(0))
        assert stage.worker.life is not None
        stage.worker.life.progressed()
    assert stage.worker.state is State.READY
    stage.bus.open.clear()
    await stage.close()


async def test_the_load_deadline() -> None:
    stage = await Stage(load_timeout=60).started()
    await stage.say(Hello("chat", 1, 1))
    await stage.clock.advance(59)
    assert stage.worker.state is State.LOADING
    await stage.clock.advance(3)
    assert stage.spawn.processes[0].signals == [signal.SIGKILL]
    assert "not ready within 60 s" in str(stage.worker.last_error)
    await stage.close()


async def test_a_download_that_moves_is_not_late() -> None:
    stage = await Stage(load_timeout=60).started()
    await stage.say(Hello("chat", 1, 1))
    for n in range(5):
        await stage.say(Loading("download", n / 5))
        await stage.clock.advance(50)
    assert stage.worker.state is State.LOADING
    for _ in range(3):
        await stage.say(Loading("download", 0.8))  # it repeats itself
        await stage.clock.advance(20)
    assert stage.worker.state is not State.LOADING
    await stage.close()


async def test_an_unreachable_worker_is_a_dead_worker() -> None:
    stage = await Stage().ready()
    assert stage.worker.life is not None
    stage.worker.life.unreachable()
    await settle()
    assert stage.process.signals == [signal.SIGKILL]
    assert stage.worker.state is State.BACKOFF
    await stage.close()


async def test_a_process_that_cannot_be_started_counts_as_a_crash() -> None:
    stage = Stage()
    stage.spawn.error = OSError("no memory")
    await stage.started()
    assert stage.worker.state is State.BACKOFF
    assert stage.worker.last_error == "could not be started: no memory"
    stage.spawn.error = None
    await stage.clock.advance(1)
    assert stage.worker.state is State.SPAWNED
    await stage.close()


async def test_stop_drains_then_asks() -> None:
    stage = await Stage(grace=10).ready()
    stage.bus.open["chat.1"] = 1
    stopping = asyncio.create_task(stage.worker.stop())
    await settle()
    assert stage.worker.state is State.DRAINING
    assert stage.bus.sent == [("chat.1", Drain())]
    assert stage.calls[-1] == ("leaving", "chat.1")
    await stage.clock.advance(5)
    assert stage.worker.state is State.DRAINING
    stage.bus.open.clear()
    await stage.clock.advance(0.1)
    assert stage.worker.state is State.STOPPING
    assert stage.bus.sent[-1] == ("chat.1", Stop(0.0))
    await stage.say(Bye("stopped"))
    stage.process.exit(0)
    await stopping
    assert stage.worker.state is State.STOPPED
    assert stage.process.signals == []
    assert stage.calls[-1] == ("lost", "chat.1", "model_unavailable")
    await stage.worker.stop()
    await stage.close()


async def test_a_drain_ends_with_the_grace_and_the_ladder_with_sigkill() -> None:
    stage = await Stage(grace=10).ready()
    stage.bus.open["chat.1"] = 1
    stage.process.stubborn = True
    stopping = asyncio.create_task(stage.worker.stop())
    await stage.clock.advance(10.1)
    assert stage.worker.state is State.STOPPING
    await stage.clock.advance(ASK_GRACE + TERM_GRACE)
    await stopping
    assert stage.process.signals == [signal.SIGTERM, signal.SIGKILL]
    await stage.close()


async def test_a_worker_that_dies_while_it_drains_is_stopped() -> None:
    stage = await Stage().ready()
    stage.bus.open["chat.1"] = 1
    stopping = asyncio.create_task(stage.worker.stop())
    await settle()
    stage.process.exit(-9)
    await stage.clock.advance(1)
    await stopping
    assert stage.worker.state is State.STOPPED
    assert len(stage.spawn.specs) == 1
    await stage.close()


async def test_stop_while_it_loads_and_while_it_pauses() -> None:
    stage = await Stage().started()
    stopping = asyncio.create_task(stage.worker.stop())
    await stage.clock.advance(ASK_GRACE)
    await stopping
    assert stage.process.signals == [signal.SIGTERM]
    stage.worker.start()
    await settle()
    await stage.crash()
    assert stage.worker.state is State.BACKOFF
    await stage.worker.stop()
    assert stage.worker.state is State.STOPPED
    await stage.clock.advance(100)
    assert len(stage.spawn.specs) == 2
    await stage.close()


async def test_a_later_stop_may_have_less_patience() -> None:
    stage = await Stage().ready()
    stage.bus.open["chat.1"] = 1
    evicting = asyncio.create_task(stage.worker.stop(float("inf")))
    await stage.clock.advance(10)
    assert stage.worker.state is State.DRAINING
    closing = asyncio.create_task(stage.worker.close(0.0))
    await stage.clock.advance(ASK_GRACE + 1)
    await asyncio.gather(evicting, closing)
    assert stage.worker.state is State.STOPPED


async def test_stop_ends_a_quarantine_and_a_start_tries_again() -> None:
    stage = await Stage().started()
    await stage.say(Fatal("config_error", "broken"))
    await stage.crash(1)
    assert stage.worker.state is State.QUARANTINED
    await stage.worker.stop()
    assert stage.worker.state is State.STOPPED
    await stage.started()
    assert stage.worker.state is State.SPAWNED
    await stage.close()


async def test_ensure_ready_gives_up_when_somebody_stops_it() -> None:
    stage = await Stage().started()
    waiting = asyncio.create_task(stage.worker.ensure_ready())
    await settle()
    stopping = asyncio.create_task(stage.worker.stop())
    await stage.clock.advance(30)
    await stopping
    with pytest.raises(ModelUnavailable):
        await waiting
    await stage.close()


async def test_reports_out_of_turn_change_nothing() -> None:
    stage = await Stage().started()
    await stage.say(READY)
    assert stage.worker.state is State.SPAWNED
    await stage.say(Hello("chat", 1, 1), Hello("chat", 1, 1), READY, READY)
    assert stage.worker.state is State.READY
    assert stage.calls.count(("ready", "chat.1", 4)) == 1
    await stage.close()


async def test_a_mistake_in_the_supervisor_leaves_no_process_and_no_request() -> None:
    def mistake(_: Ready) -> None:
        raise RuntimeError("a bug")

    stage = Stage(on_ready=mistake)
    await stage.started()
    await stage.say(Hello("chat", 1, 1), READY)
    assert stage.process.signals == [signal.SIGKILL]
    assert ("lost", "chat.1", "worker_lost") in stage.calls
    assert stage.worker.state is State.QUARANTINED
    assert stage.capacity.refusal is not None
    stage.worker.reset()
    await settle()
    assert stage.worker.state is State.SPAWNED
    await stage.close()
