from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.reload import Reloader, needs_restart
from shared.config import NodeConfig, load_config
from shared.errors import ConfigError
from tests.fakes.dispatcher import make_node


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "node.yaml"
    found.write_text("models:\n  chat: {source: x/y, kind: llm}\n")
    return found


class Fleet:
    def __init__(self) -> None:
        self.applied: list[NodeConfig] = []
        self.changed = asyncio.Event()

    async def apply(self, config: NodeConfig) -> None:
        self.applied.append(config)
        self.changed.set()


class Lanes:
    def __init__(self) -> None:
        self.added: list[str] = []

    def add_model(self, name: str) -> None:
        self.added.append(name)


@pytest.fixture
def node() -> Any:
    found: Any = make_node()
    found.fleet, found.dispatcher = Fleet(), Lanes()
    return found


async def test_everything_follows_the_new_configuration(node: Any, file: Path) -> None:
    file.write_text(
        "server: {port: 9}\nmodels:\n  chat: {source: x/y, kind: llm, aliases: [new]}\n  two: {source: z}\n"
    )
    assert await Reloader(node, lambda: load_config(file), file).reload() == ["server.port"]
    assert [entry.name for entry in node.registry] == ["chat", "two"]
    assert node.registry.resolve("new", ("llm",)).context == 4096  # what was known of it stays
    assert (node.dispatcher.added, node.config) == (["two"], node.fleet.applied[0])


async def test_a_mistake_changes_nothing(node: Any, file: Path) -> None:
    before = node.config
    file.write_text("modles: {}")
    reloader = Reloader(node, lambda: load_config(file), file)
    with pytest.raises(ConfigError, match="did you mean 'models'"):
        await reloader.reload()
    await reloader.try_reload()
    assert (node.config, node.fleet.applied) == (before, [])


async def test_the_file_is_watched(node: Any, file: Path) -> None:
    naps = 0

    async def sleep(_: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 2:
            file.write_text("models:\n  other: {source: x/y}\n")
        if naps > 2:
            await asyncio.Event().wait()

    task = asyncio.create_task(Reloader(node, lambda: load_config(file), file).watch(sleep))
    await node.fleet.changed.wait()
    task.cancel()
    assert [list(config.models) for config in node.fleet.applied] == [["other"]]


def test_what_only_a_start_reads() -> None:
    before = NodeConfig()
    after = NodeConfig.model_validate({"server": {"host": "::1", "keep_alive": 9}, "media": {"fetch": "off"}})
    assert needs_restart(before, after) == ["server.host", "media"]
    assert needs_restart(before, before) == []


async def test_a_node_that_ends_starts_nothing_anew(node: Any, file: Path) -> None:
    reloader = Reloader(node, lambda: load_config(file), file)
    node.door.close()
    await reloader.try_reload()
    assert node.fleet.applied == []
