from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.integration.node import DEMO_CHAT, Node, serve

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """demo-chat alone, which starts quickly; shared by tests that leave it as they found it."""
    with serve(tmp_path_factory.mktemp("node") / "log", DEMO_CHAT) as found:
        yield found


@pytest.fixture(scope="session")
def full_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The demo with a model of every kind, as `scripts/run` starts it: without arguments."""
    with serve(tmp_path_factory.mktemp("full-node") / "log") as found:
        yield found


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[Node]:
    """demo-chat alone, for a test that breaks something."""
    with serve(tmp_path / "log", DEMO_CHAT) as found:
        yield found


@pytest.fixture(scope="session")
def client(node: Node) -> Iterator[OpenAI]:
    with OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0, _strict_response_validation=True) as found:
        yield found


@pytest.fixture(scope="session")
def full_client(full_node: Node) -> Iterator[OpenAI]:
    url = full_node.url + "/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0, _strict_response_validation=True) as found:
        yield found


@pytest.fixture
def workers_live_on(full_node: Node) -> Iterator[None]:
    """The five processes that were there before the test are there after it, and ready."""
    before = full_node.pids()
    assert len(before) == 5
    yield
    assert full_node.get("/health/ready").status_code == 200
    assert full_node.pids() == before


@pytest.fixture(scope="session")
def exchanges() -> list[dict[str, Any]]:
    """What the demo was taught, to be held against what it serves."""
    found: list[dict[str, Any]] = json.loads((DATA / "demo_chat.json").read_text())
    return found
