import asyncio
import json
import os
from pathlib import Path

import pytest

from gateway.routing.dispatch import Dispatcher
from gateway.routing.registry import Registry
from gateway.supervisor.fleet import Fleet
from gateway.supervisor.snapshot import rss_bytes
from shared.config import NodeConfig
from shared.errors import ModelUnavailable, ShuttingDown
from shared.lifecycle import QUARANTINE_FIRST, State
from shared.messages import Fatal, Generate, Hello, Loading, Prompt, Ready, Stats, Trim
from tests.fakes.clock import FakeClock, settle
from tests.fakes.supervision import FakeSpawn, RecordingRouter

GB = 10**9


class Stage:
    def __init__(self, **models: dict[str, object]) -> None:
        config = NodeConfig.model_validate({"node": {"memory_budget": "8GB", "stop_grace": 3}, "models": models})
        self.config = config
        self.clock = FakeClock()
        self.memory = (100 * GB, 90 * GB, 0)  # of the machine: total, available, swap
        self.spawn = FakeSpawn()
        self.router = RecordingRouter()
        self.registry = Registry.from_config(config, lambda _: "llm")
        self.dispatcher = Dispatcher(self.router, config.models, config.server.queue, clock=self.clock)
        self.fleet = Fleet(
            config,
            router=self.router,
            dispatcher=self.dispatcher,
            registry=self.registry,
            log_level="debug",
            spawn=self.spawn,
            clock=self.clock,
            sleep=self.clock.sleep,
            read=lambda: self.memory,
        )

    async def say(self, name: str, *reports: Hello | Loading | Ready | Stats | Fatal) -> None:
        life = self.fleet.worker(name).life
        assert life is not None
        for report in reports:
            life.received(report)
        await settle()

    async def close(self) -> None:
        closing = asyncio.create_task(self.fleet.stop())
        await self.clock.advance(60)
        await closing


def weights(folder: Path, size: int) -> str:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return str(folder)


async def test_a_specification_carries_the_models_configuration(tmp_path: Path) -> None:
    stage = Stage(
        chat={
            "source": weights(tmp_path / "m", 1000),
            "max_batch": 4,
            "context": 512,
            "sampling": {"temperature": 0.5},
            "tool_parser": "none",
            "reasoning_parser": "none",
            "prefix_cache": "1GB",
            "trust_remote_code": True,
        },
        other={"source": "org/hub-model", "kind": "embedding"},
    )
    stage.fleet.start()
    await settle()
    chat, other = stage.spawn.specs
    assert chat.identity == "chat.1"
    assert chat.endpoint == stage.router.endpoint
    assert (chat.kind, chat.max_batch, chat.context) == ("llm", 4, 512)
    assert chat.sampling == {"temperature": 0.5}
    assert (chat.tool_parser, chat.reasoning_parser, chat.trust_remote_code) == ("none", "none", True)
    assert (chat.prefix_cache, chat.log_level) == (GB, "debug")
    assert other.kind == "embedding"
    reserved = stage.fleet.keeper.reserved
    assert (chat.memory_budget, other.memory_budget) == (reserved["chat"], reserved["other"])
    assert reserved["chat"] > 1000
    await stage.close()


async def test_the_snapshot_tells_the_truth_at_each_stage() -> None:
    stage = Stage(chat={"source": "org/chat", "aliases": ["default"]})
    stage.fleet.start()
    await settle()
    await stage.say("chat", Hello("chat", 1, 7), Loading("download", 0.25, "3 of 12 files"))
    (facts,) = stage.fleet.snapshot().workers
    assert (facts.state, facts.stage, facts.fraction, facts.detail) == (
        State.LOADING,
        "download",
        0.25,
        "3 of 12 files",
    )
    assert (facts.pid, facts.kind, facts.stats) == (101, None, None)
    assert stage.fleet.snapshot().status == "loading"

    await stage.say("chat", Ready("llm", 16, 4096, "cpu", ("tools",), weights=9), Stats(5, 2, 1, 30, 10, 100, 1, 2, 3))
    stage.clock.now += 2
    await stage.say("chat", Stats(9, 2, 1, 30, 10, 160, 1, 2, 3))
    (facts,) = stage.fleet.snapshot().workers
    assert (facts.state, facts.stage, facts.fraction) == (State.READY, None, None)
    assert (facts.kind, facts.context, facts.capabilities, facts.aliases) == ("llm", 4096, ("tools",), ("default",))
    assert (facts.device, facts.max_inflight, facts.weight_bytes) == ("cpu", 16, 9)
    assert facts.stats == Stats(9, 2, 1, 30, 10, 160, 1, 2, 3)
    assert facts.tokens_per_second == 30
    assert stage.fleet.snapshot().status == "ready"
    stage.dispatcher.open(stage.registry["chat"], Generate("r", Prompt(text="x")))
    (facts,) = stage.fleet.snapshot().workers
    assert (facts.open_requests, facts.queued) == (1, 0)
    await stage.close()


async def test_one_model_down_for_good_is_a_degraded_node() -> None:
    stage = Stage(good={"source": "org/good"}, bad={"source": "org/bad"})
    stage.fleet.start()
    await settle()
    await stage.say("good", Hello("good", 1, 1), Ready("llm", 1, 1, "cpu"))
    await stage.say("bad", Hello("bad", 1, 1), Fatal("config_error", "no such folder"))
    stage.spawn.processes[1].exit(1)
    await settle()
    snapshot = stage.fleet.snapshot()
    assert snapshot.status == "degraded"
    assert [facts.last_error for facts in snapshot.workers] == [None, "no such folder"]
    await stage.close()


async def test_stopping_refuses_first_and_reaps_all() -> None:
    stage = Stage(a={"source": "org/a"}, b={"source": "org/b"})
    stage.fleet.start()
    await settle()
    closing = asyncio.create_task(stage.fleet.stop())
    await settle()
    with pytest.raises(ShuttingDown):
        stage.dispatcher.open(stage.registry["a"], Generate("r", Prompt(text="x")))
    assert [facts.state for facts in stage.fleet.snapshot().workers] == [State.STOPPING] * 2
    await stage.clock.advance(60)
    await closing
    assert [facts.state for facts in stage.fleet.snapshot().workers] == [State.STOPPED] * 2
    assert all(process.closed for process in stage.spawn.processes)


def test_resident_memory_of_a_process() -> None:
    assert rss_bytes(os.getpid()) > 10**6
    assert rss_bytes(None) == rss_bytes(2**22 + 1) == 0


async def test_replicas_share_a_model_and_each_has_its_reservation() -> None:
    stage = Stage(chat={"source": "org/chat", "replicas": 2, "memory": "3GB"})
    stage.fleet.start()
    await settle()
    assert [spec.identity for spec in stage.spawn.specs] == ["chat.1", "chat~2.1"]
    assert stage.fleet.keeper.reserved == {"chat": 3 * GB, "chat~2": 3 * GB}
    for name in ("chat", "chat~2"):
        await stage.say(name, Hello(name, 1, 1), Ready("llm", 1, 1, "cpu"))
    for request in ("r", "s"):
        stage.dispatcher.open(stage.registry["chat"], Generate(request, Prompt(text="x")))
    assert sorted(to for to, *_ in stage.router.sent) == ["chat.1", "chat~2.1"]
    await stage.close()


async def test_on_demand_a_model_loads_with_its_first_request() -> None:
    stage = Stage(chat={"source": "org/chat", "load": "on_demand"})
    stage.fleet.start()
    await settle()
    assert stage.spawn.specs == []
    assert stage.fleet.snapshot().status == "ready"
    stream = stage.dispatcher.open(stage.registry["chat"], Generate("r", Prompt(text="x")))
    await settle()
    assert [spec.identity for spec in stage.spawn.specs] == ["chat.1"]
    await stage.say("chat", Hello("chat", 1, 1), Ready("llm", 1, 1, "cpu"))
    assert stream.state == "running"
    await stage.close()


async def test_an_unloaded_model_is_gone_and_comes_back_when_loaded() -> None:
    stage = Stage(chat={"source": "org/chat"})
    stage.fleet.start()
    await settle()
    await stage.say("chat", Hello("chat", 1, 1), Ready("llm", 1, 1, "cpu"))
    unloading = asyncio.create_task(stage.fleet.unload("chat"))
    await stage.clock.advance(10)
    await unloading
    assert stage.fleet.snapshot().held == 0
    loading = asyncio.create_task(stage.fleet.load("chat"))
    await settle()
    await stage.say("chat", Hello("chat", 2, 1), Ready("llm", 1, 1, "cpu"))
    await loading
    assert stage.fleet.worker("chat").state is State.READY
    await stage.close()


async def test_a_model_that_can_never_fit_is_refused_with_the_numbers() -> None:
    stage = Stage(chat={"source": "org/chat", "memory": "9GB"})
    stage.fleet.start()
    await settle()
    with pytest.raises(ModelUnavailable, match=r"needs 9\.0 GB; at most 8\.0 GB"):
        stage.dispatcher.open(stage.registry["chat"], Generate("r", Prompt(text="x")))
    with pytest.raises(ModelUnavailable, match=r"9\.0 GB"):
        await stage.fleet.load("chat")
    await stage.close()


async def test_how_long_a_load_takes_is_learnt() -> None:
    stage = Stage(chat={"source": "org/chat"})
    stage.fleet.start()
    await settle()
    assert stage.fleet.load_remaining("chat") is None
    stage.clock.now += 12
    await stage.say("chat", Hello("chat", 1, 1), Ready("llm", 1, 1, "cpu"))
    assert stage.fleet.load_remaining("chat") == 12.0
    await stage.close()


async def test_a_machine_short_of_memory_has_caches_shrunk_and_idle_models_unloaded() -> None:
    stage = Stage(chat={"source": "org/x", "kind": "llm", "prefix_cache": "1GB"})
    stage.fleet.start()
    await settle()
    stage.memory = (100 * GB, 9 * GB, 0)
    await stage.clock.advance(1)
    assert (stage.fleet.snapshot().pressure, stage.fleet.snapshot().memory.available) == ("tight", 9 * GB)
    assert not stage.router.sent  # it loads, and keeps nothing yet
    await stage.say("chat", Hello("chat", 1, 1), Ready("llm", 4, 2048, "cpu"))
    await stage.clock.advance(10)
    assert [message for _, message, _ in stage.router.sent] == [Trim(GB // 4)]
    stage.memory = (100 * GB, 1 * GB, 0)
    await stage.clock.advance(1)
    assert stage.router.sent[1][1] == Trim(0)
    await stage.clock.advance(10)
    assert stage.fleet.worker("chat").state is State.STOPPED
    assert stage.fleet.keeper.held == 0
    await stage.close()


async def fail_to_start(stage: Stage, name: str) -> None:
    await stage.say(name, Fatal("config_error", "there is no such folder"))
    stage.spawn.processes[-1].exit(1)
    await stage.clock.advance(1)
    assert stage.fleet.worker(name).state is State.QUARANTINED


async def test_a_reload_revives_a_quarantined_model_whose_file_is_the_same(tmp_path: Path) -> None:
    stage = Stage(chat={"source": weights(tmp_path / "m", 1000)})
    stage.fleet.start()
    await settle()
    await fail_to_start(stage, "chat")
    await stage.fleet.apply(stage.config)
    await settle()
    assert stage.fleet.worker("chat").state is State.SPAWNED
    assert stage.dispatcher.open(stage.registry["chat"], Generate("r", Prompt(text="hi"))).state == "queued"
    await stage.close()


async def test_a_reload_and_a_load_end_a_pause(tmp_path: Path) -> None:
    stage = Stage(chat={"source": weights(tmp_path / "m", 1000)})
    stage.fleet.start()
    await settle()
    for again in (lambda: stage.fleet.apply(stage.config), lambda: stage.fleet.load("chat")):
        stage.spawn.processes[-1].exit(1)
        await stage.clock.advance(0.5)
        assert stage.fleet.worker("chat").state is State.BACKOFF
        task = asyncio.create_task(again())
        while stage.fleet.worker("chat").state is State.BACKOFF:
            await asyncio.sleep(0)
        assert stage.fleet.worker("chat").state is State.SPAWNED
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await stage.close()


async def test_after_a_quarantine_a_model_of_the_start_is_tried_again_the_others_when_asked_for(tmp_path: Path) -> None:
    stage = Stage(
        chat={"source": weights(tmp_path / "m", 1000)},
        other={"source": weights(tmp_path / "n", 1000), "load": "on_demand"},
    )
    stage.fleet.start()
    await settle()
    await fail_to_start(stage, "chat")
    stage.fleet.want("other")
    await settle()
    await fail_to_start(stage, "other")
    with pytest.raises(ModelUnavailable) as caught:
        stage.dispatcher.open(stage.registry["other"], Generate("r", Prompt(text="hi")))
    assert caught.value.retry_after is not None
    await stage.clock.advance(QUARANTINE_FIRST + 1)
    assert stage.fleet.worker("chat").state is State.SPAWNED
    assert stage.fleet.worker("other").state is State.STOPPED
    stage.dispatcher.open(stage.registry["other"], Generate("r", Prompt(text="hi")))
    await settle()
    assert stage.fleet.worker("other").state is State.SPAWNED
    await stage.close()
