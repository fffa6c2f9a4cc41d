"""A real Chromium, driven by Playwright. Without either, these tests are skipped and say so."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.api.node import Node
from gateway.tenancy.ledger import Ledger
from tests.fakes.page import Served, served

PATIENCE = 20_000.0  # ms; how long a slow machine may take, never how fast we are
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
REFUSED = re.compile(r"the server responded with a status of (401|503)")  # Chromium's own line about an answer
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shifts.push(entry.value);
})).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Node], Served]]:
    """Serves a node, with a ledger of its own."""
    with ExitStack() as stack:

        def start(node: Node) -> Served:
            node.ledger = Ledger(tmp_path / "usage.db", 1e9, time.time)
            node.ledger.start()
            stack.callback(node.ledger.close)
            return stack.enter_context(served(node))

        yield start


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a context of its own; at the end nothing may have complained, CSP included."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_page(url: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(SHIFTS)
        context.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [complaint for complaint in complaints if not REFUSED.search(complaint)] == []
