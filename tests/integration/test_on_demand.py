"""More models than fit: everybody is answered, the ledger keeps its budget, nothing stays behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.integration.node import DEMO_CHAT, PATIENCE, Node, serve

MODELS = [f"chat-{letter}" for letter in "abcdef"]
CLIENTS = 8
BUDGET = 2 * 10**9


@pytest.fixture
def small_node(tmp_path: Path) -> Iterator[Node]:
    models = "".join(f"  {name}: {{source: {DEMO_CHAT}, load: on_demand, memory: 1GB}}\n" for name in MODELS)
    node = f"node: {{memory_budget: {BUDGET}, min_residency: 500ms, load_wait: {PATIENCE}}}\n"
    (tmp_path / "node.yaml").write_text(f"{node}models:\n{models}")
    with serve(tmp_path / "log", "--config", str(tmp_path / "node.yaml")) as found:
        yield found


def ask(node: Node, number: int) -> list[int]:
    order = random.Random(number).sample(MODELS, len(MODELS))
    return [node.chat(model=name, max_tokens=4).status_code for name in order]


def test_six_models_in_a_budget_for_two(small_node: Node) -> None:
    done, held = threading.Event(), []

    def watch() -> None:
        while not done.wait(0.05):
            held.append(small_node.status()["memory"]["reserved"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda number: ask(small_node, number), range(CLIENTS)))
    finally:
        done.set()
        watcher.join()
    assert answers == [[200] * len(MODELS)] * CLIENTS
    assert max(held) == BUDGET
    children = psutil.Process(small_node.process.pid).children(recursive=True)
    assert len(children) <= 2
    small_node.process.terminate()
    assert small_node.process.wait(PATIENCE) == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert list(small_node.temporary.iterdir()) == []
