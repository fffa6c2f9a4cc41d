from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.integration.node import Node, serve

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The demo, as `scripts/run` starts it; shared by tests that leave it as they found it."""
    with serve(tmp_path_factory.mktemp("node") / "log") as found:
        yield found


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[Node]:
    """A node for a test that breaks something."""
    with serve(tmp_path / "log") as found:
        yield found


@pytest.fixture(scope="session")
def client(node: Node) -> Iterator[OpenAI]:
    with OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0, _strict_response_validation=True) as found:
        yield found


@pytest.fixture(scope="session")
def exchanges() -> list[dict[str, Any]]:
    """What the demo was taught, to be held against what it serves."""
    found: list[dict[str, Any]] = json.loads((DATA / "demo_chat.json").read_text())
    return found
