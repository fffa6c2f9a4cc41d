"""gateway/supervisor/keeper: the ledger and the decisions, with workers that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.routing.admission import Refusal
from gateway.supervisor.keeper import Keeper, Terms
from shared.errors import ModelUnavailable
from shared.lifecycle import State
from tests.fakes.clock import FakeClock, settle

GB = 10**9


class Charge:
    """A worker whose life the test moves; a stop ends once the test lets it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.STOPPED
        self.pause_left = 0.0
        self.calls: list[str] = []
        self.may_stop = asyncio.Event()
        self.may_stop.set()
        self._watchers: list[Callable[[State], None]] = []

    def watch(self, changed: Callable[[State], None]) -> None:
        self._watchers.append(changed)

    def start(self) -> None:
        self.calls.append("start")

    def reset(self) -> None:
        self.calls.append("reset")

    async def stop(self, grace: float | None = None) -> None:
        self.calls.append("stop")
        await self.may_stop.wait()
        self.become(State.DRAINING, State.STOPPED)

    def become(self, *states: State) -> None:
        for state in states:
            self.state = state
            for changed in self._watchers:
                changed(state)


class Asked:
    """What the dispatcher would say of the models."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.last: dict[str, float] = {}
        self.refusals: dict[str, Refusal] = {}

    def queued(self, model: str) -> int:
        return self.waiting.get(model, 0)

    def running(self, model: str) -> int:
        return self.open.get(model, 0)

    def used(self, model: str) -> float:
        return self.last.get(model, 0.0)

    def close_model(self, model: str, refusal: Refusal) -> None:
        self.refusals[model] = refusal


class Stage:
    """Models of 10 GB each, in a budget for two; a model must stay for five seconds."""

    def __init__(self, *names: str, **terms: Terms) -> None:
        self.clock = FakeClock()
        self.asked = Asked()
        self.workers = {name: Charge(name) for name in names}
        self.keeper = Keeper(self.asked, 20 * GB, min_residency=5.0, clock=self.clock, sleep=self.clock.sleep)
        for name, worker in self.workers.items():
            self.keeper.add(worker, terms.get(name, Terms(lambda: 10 * GB)))

    async def want(self, *names: str) -> None:
        for name in names:
            self.keeper.want(name)
            await settle()

    async def ready(self, *names: str) -> None:
        for name in names:
            await self.want(name)
            await self.became(name, State.SPAWNED, State.LOADING, State.READY)

    async def became(self, name: str, *states: State) -> None:
        self.workers[name].become(*states)
        await settle()

    @property
    def held(self) -> list[str]:
        assert self.keeper.held <= self.keeper.budget
        return list(self.keeper.reserved)


@asynccontextmanager
async def staged(*names: str, **terms: Terms) -> AsyncIterator[Stage]:
    stage = Stage(*names, **terms)
    stage.keeper.start()
    try:
        yield stage
    finally:
        await stage.keeper.close()


async def test_what_fits_loads_at_once_and_is_reserved_before_it_starts() -> None:
    async with staged("a", "b", "c") as stage:
        await stage.want("a", "b", "c")
        assert stage.keeper.reserved == {"a": 10 * GB, "b": 10 * GB}
        assert [worker.calls for worker in stage.workers.values()] == [["start"], ["start"], []]
        assert stage.keeper.wanted == ["c"]


async def test_the_least_recently_used_goes_once_it_has_stayed_a_while() -> None:
    async with staged("a", "b", "c") as stage:
        await stage.ready("a", "b")
        stage.asked.last = {"a": 2.0, "b": 1.0}
        await stage.want("c")
        assert stage.held == ["a", "b"]
        await stage.clock.advance(6)
        assert stage.workers["b"].calls == ["start", "stop"]
        assert stage.held == ["a", "c"]
        assert stage.workers["c"].calls == ["start"]


async def test_memory_is_free_when_the_process_has_been_reaped_and_not_before() -> None:
    async with staged("a", "b", "c") as stage:
        await stage.ready("a", "b")
        stage.workers["a"].may_stop.clear()
        await stage.clock.advance(6)
        await stage.want("c")
        assert (stage.held, stage.workers["c"].calls) == (["a", "b"], [])
        stage.workers["a"].may_stop.set()
        await settle()
        assert (stage.held, stage.workers["c"].calls) == (["b", "c"], ["start"])


async def test_a_request_for_a_model_that_is_leaving_brings_it_back() -> None:
    async with staged("a", "b", "c") as stage:
        await stage.ready("a", "b")
        stage.workers["a"].may_stop.clear()
        await stage.clock.advance(6)
        await stage.want("c", "a")
        stage.asked.waiting["a"] = 1
        stage.asked.open["b"] = 1
        stage.workers["a"].may_stop.set()
        await settle()
        assert stage.held == ["c", "a"]
        assert stage.workers["a"].calls == ["start", "stop", "start"]
        assert stage.workers["b"].calls == ["start", "stop"]


async def test_a_pinned_model_stays_and_what_never_fits_beside_it_is_refused_with_the_numbers() -> None:
    pinned, large = Terms(lambda: 10 * GB, pin=True), Terms(lambda: 15 * GB)
    async with staged("a", "b", a=pinned, b=large) as stage:
        await stage.ready("a")
        await stage.clock.advance(60)
        await stage.want("b")
        refusal = stage.asked.refusals["b"]
        assert refusal.message == "The model `b` needs 15.0 GB; at most 10.0 GB can be had on this node."
        assert (stage.held, stage.keeper.wanted) == (["a"], [])


async def test_a_large_one_is_not_starved_by_small_ones() -> None:
    async with staged("a", "b", "large", "small", large=Terms(lambda: 20 * GB), small=Terms(lambda: GB)) as stage:
        await stage.ready("a", "b")
        await stage.want("large", "small")
        assert stage.keeper.wanted == ["large", "small"]
        await stage.clock.advance(6)
        assert stage.held == ["large"]


async def test_at_the_start_nobody_is_sent_away_for_another() -> None:
    async with staged("a", "b", "c") as stage:
        for name in "abc":
            stage.keeper.suggest(name)
        await settle()
        assert (stage.held, stage.keeper.wanted) == (["a", "b"], [])
        await stage.clock.advance(60)
        assert stage.workers["c"].calls == []


async def test_a_crashed_worker_keeps_its_reservation_for_its_return_a_quarantined_one_does_not() -> None:
    async with staged("a") as stage:
        await stage.ready("a")
        await stage.became("a", State.CRASHED, State.BACKOFF)
        assert stage.held == ["a"]
        await stage.became("a", State.SPAWNED, State.CRASHED, State.QUARANTINED)
        assert stage.held == []
        await stage.want("a")
        assert stage.held == []
        stage.keeper.revive("a")
        await settle()
        assert (stage.held, stage.workers["a"].calls) == (["a"], ["start", "reset"])
        await stage.became("a", State.STOPPED, State.SPAWNED)
        assert stage.held == ["a"]


async def test_an_idle_model_goes_after_its_time_and_a_busy_one_stays() -> None:
    async with staged("a", "b", a=Terms(lambda: GB, idle_unload=30), b=Terms(lambda: GB, idle_unload=30)) as stage:
        await stage.ready("a", "b")
        stage.asked.open["b"] = 1
        await stage.clock.advance(29)
        assert stage.held == ["a", "b"]
        await stage.clock.advance(2)
        assert stage.held == ["b"]


async def test_unloading_and_loading_by_hand() -> None:
    async with staged("a") as stage:
        await stage.ready("a")
        await stage.keeper.unload("a")
        assert stage.held == []
        await stage.ready("a")
        assert stage.held == ["a"]


async def test_a_model_that_nobody_wants_any_more_is_not_loaded() -> None:
    async with staged("a", "b", "c") as stage:
        await stage.ready("a", "b")
        stage.workers["a"].may_stop.clear()
        await stage.clock.advance(6)
        await stage.want("c")
        unloading = asyncio.create_task(stage.keeper.unload("c"))
        await settle()
        stage.workers["a"].may_stop.set()
        await unloading
        await settle()
        assert stage.workers["c"].calls == ["stop"]
        assert stage.held == ["b"]


async def test_a_load_that_pressure_forbids_waits_and_comes_later() -> None:
    async with staged("a", "b") as stage:
        asked: list[tuple[int, int]] = []
        allowed = False

        def may_load(need: int, held: int) -> bool:
            asked.append((need, held))
            return allowed

        await stage.ready("a")
        stage.keeper.may_load = may_load
        await stage.want("b")
        assert (stage.held, stage.keeper.wanted, asked) == (["a"], ["b"], [(10 * GB, 10 * GB)])
        with pytest.raises(ModelUnavailable, match="short of memory"):
            stage.keeper.revive("b")  # an admin is told, and does not wait
        allowed = True
        await stage.clock.advance(1)
        assert stage.held == ["a", "b"]


async def test_pressure_is_asked_for_what_a_load_adds_beyond_who_goes_for_it() -> None:
    async with staged("a", "b", "c") as stage:
        asked: list[int] = []
        await stage.ready("a", "b")
        stage.keeper.may_load = lambda need, held: asked.append(need) or False  # type: ignore[func-returns-value]
        await stage.clock.advance(6)
        await stage.want("c")
        assert asked[-1] == 0
        assert stage.workers["a"].calls == ["start"]  # nobody goes for a load that may not come


async def test_shedding_unloads_the_longest_idle_and_spares_pinned_and_busy_ones() -> None:
    async with staged("a", "b") as stage:
        stage.workers["pinned"] = Charge("pinned")
        stage.keeper.add(stage.workers["pinned"], Terms(lambda: 0, pin=True))
        await stage.ready("a", "b", "pinned")
        stage.asked.last = {"a": 50.0, "b": 40.0, "pinned": 0.0}
        stage.asked.open = {"b": 1}
        assert await stage.keeper.shed() == "a"
        assert await stage.keeper.shed() is None
        stage.asked.open = {}
        assert await stage.keeper.shed() == "b"
        assert stage.held == ["pinned"]


async def test_a_model_that_is_removed_is_wanted_no_more() -> None:
    async with staged("a", "b") as stage:
        await stage.ready("a")
        stage.asked.waiting["a"] = 1  # somebody came at the last moment
        await stage.keeper.remove("a")
        assert stage.keeper.wanted == []
        await stage.ready("b")
        assert stage.held == ["b"]


async def test_a_decision_that_fails_does_not_hold_up_the_next_model(caplog: pytest.LogCaptureFixture) -> None:
    broken = Terms(lambda: 1 // 0)
    async with staged("a", "b", a=broken) as stage:
        await stage.want("a")
        await stage.keeper.unload("a")
        await stage.ready("b")
        assert stage.held == ["b"]


async def test_what_a_pause_and_a_load_still_take_is_known() -> None:
    async with staged("a") as stage:
        assert stage.keeper.load_remaining("a") is None
        await stage.want("a")
        await stage.became("a", State.SPAWNED, State.LOADING)
        await stage.clock.advance(8)
        await stage.became("a", State.READY)
        await stage.became("a", State.CRASHED, State.BACKOFF)
        stage.workers["a"].pause_left = 30.0
        assert stage.keeper.load_remaining("a") == 38
        stage.workers["a"].pause_left = 0.0
        await stage.became("a", State.SPAWNED, State.LOADING)
        await stage.clock.advance(3)
        assert stage.keeper.load_remaining("a") == 5
