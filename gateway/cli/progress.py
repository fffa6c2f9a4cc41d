"""What a person sees at the terminal where `serve` runs: how far the models are, then how to talk to them.

A thread asks the node's own /v1/status, as any client would; it ends once every model is ready or has failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gateway.cli.node_status import NodeUnreachable, WorkerLine, fetch, worker_lines

LOOK = 0.2  # seconds
_EXAMPLE = """\
curl {url}/v1/chat/completions -H 'content-type: application/json' \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'"""


class _LogStream:
    """Log lines above a live display instead of through it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> None:
        self._console.print(text, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)

    def flush(self) -> None:
        self._console.file.flush()


class Greeter:
    """`stream` is where logs go meanwhile; `models` maps names to aliases; `key` reads the node's own key.

    `guarded`: clients need a key.
    """

    def __init__(
        self,
        url: str,
        models: Mapping[str, Sequence[str]],
        *,
        console: Console | None = None,
        key: Callable[[], str | None] = lambda: None,
        guarded: bool = False,
        fetch: Callable[[str, str | None], Mapping[str, Any]] = fetch,
    ) -> None:
        self._url = url
        self._models = models
        self._console = console or Console(stderr=True)
        self._key = key
        self._keys = "a key of the team" if guarded else "any API key"
        self._fetch = fetch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.watch, name="greeter", daemon=True)
        self.stream = cast("TextIO", _LogStream(self._console))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self) -> None:
        """Shows progress until all models are settled, then the greeting."""
        began = time.monotonic()
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}")
        with Progress(*columns, console=self._console, transient=True) as progress:
            tasks = {name: progress.add_task(escape(name), total=None, words="starting") for name in self._models}
            lines = self._follow(progress, tasks)
        if lines:
            self._greet(lines, time.monotonic() - began)

    def _follow(self, progress: Progress, tasks: Mapping[str, TaskID]) -> list[WorkerLine]:
        """The last state of all models, or nothing when stopped before."""
        while not self._stop.wait(LOOK):
            try:
                lines = worker_lines(self._fetch(self._url, self._key()))
            except NodeUnreachable:
                continue
            for line in lines:
                done = 1.0 if line.settled else line.fraction
                total = None if done is None else 1.0
                progress.update(tasks[line.name], total=total, completed=done or 0.0, words=escape(line.words))
            if lines and all(line.settled for line in lines):
                return lines
        return []

    def _greet(self, lines: Sequence[WorkerLine], took: float) -> None:
        say = self._console.print
        say(f"\n[bold]mlx-gateway[/] at [bold]{self._url}/v1[/] after {took:.1f} s; any OpenAI client, {self._keys}")
        say(f"  the page is at {self._url}/", highlight=False)
        for line in lines:
            colour = "green" if line.state == "ready" else "red"
            also = ", ".join(alias for alias in self._models[line.name] if "/" not in alias)
            say(f"  [{colour}]●[/] {escape(line.name)}" + escape(f" (also {also})" if also else ""), highlight=False)
            if line.state != "ready":
                say(f"    {escape(line.words)}", highlight=False)
        chat = [line.name for line in lines if line.state == "ready" and line.kind in ("llm", "vlm")]
        if chat:
            say(_EXAMPLE.format(url=self._url, model=chat[0]), markup=False, highlight=False, soft_wrap=True)
        say("`mlx-gateway status` in another terminal shows the load; Ctrl-C stops.\n", highlight=False)
