"""`mlx-gateway status`: a running node as a person wants to see it, live on a terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.cli.node_status import NodeUnreachable, WorkerLine, fetch, own_key, worker_lines
from gateway.cli.units import seconds, size
from shared.config import read_environment

if TYPE_CHECKING:
    from rich.console import RenderableType

DEFAULT_URL = "http://127.0.0.1:8000"
REFRESH = 1.0  # seconds
_BAR = 10  # characters
_PIPE_WIDTH = 160  # columns where no terminal says how many
_COLOURS = {"ready": "green", "quarantined": "red", "crashed": "red", "backoff": "red", "stopped": "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the node, also MLX_GATEWAY_URL ({DEFAULT_URL})")
    parser.add_argument("--once", action="store_true", help="print the state once and exit")
    parser.add_argument("--json", action="store_true", help="print /v1/status as JSON and exit")


def run(args: argparse.Namespace) -> int:
    """0; 1 when no node answers."""
    environment = read_environment()
    url, key = args.url or environment.url or DEFAULT_URL, own_key(environment)
    try:
        status = fetch(url, key)
    except NodeUnreachable as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(status, indent=2))
    elif args.once or not sys.stdout.isatty():
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(render(url, status))
    else:
        _watch(url, key, status)
    return 0


def _watch(url: str, key: str | None, status: dict[str, Any]) -> None:
    """Until Ctrl-C. A node that stops answering may come back."""
    from rich.live import Live

    try:
        with Live(render(url, status), auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH)
                try:
                    live.update(render(url, fetch(url, key)), refresh=True)
                except NodeUnreachable as error:
                    live.update(error.message, refresh=True)
    except KeyboardInterrupt:
        return


def render(url: str, status: Mapping[str, Any]) -> RenderableType:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    requests = status.get("requests") or {}
    title = (
        f"{url}  {status.get('status')}  up {seconds(status.get('uptime') or 0)}"
        f"  {requests.get('running', 0)} running  {requests.get('waiting', 0)} waiting"
        f"  {status.get('tokens_per_second') or 0:.1f} tok/s"
    )
    pressure = (status.get("memory") or {}).get("pressure", "normal")
    if pressure != "normal":
        title += f"  memory is {pressure}"
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("model", "kind", "state"):
        table.add_column(heading, overflow="fold")
    for heading in ("in flight", "queued", "tok/s"):
        table.add_column(heading, justify="right")
    for heading in ("memory", "restarts"):
        table.add_column(heading)
    for line in worker_lines(status):
        table.add_row(*_cells(line))
    return table


def _cells(line: WorkerLine) -> tuple[str, ...]:
    from rich.markup import escape

    colour = _COLOURS.get(line.state, "yellow")
    percent = "" if line.fraction is None else f" {line.fraction:.0%}"
    return (
        escape(line.name),
        line.kind or "?",
        f"[{colour}]{escape(line.words)}{percent}[/]",
        f"{line.running}/{line.room}",
        str(line.queued),
        f"{line.tokens_per_second:.1f}",
        f"{bar(line.memory, line.budget)} {size(line.memory)} of {size(line.budget)}",
        str(line.restarts),
    )


def bar(part: float, whole: float) -> str:
    """A share drawn with blocks; anything above nothing shows."""
    filled = min(_BAR, -int(-part * _BAR // whole)) if whole else 0
    return "█" * filled + "░" * (_BAR - filled)
