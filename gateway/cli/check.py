"""`mlx-gateway check`: what would be hosted, and whether it fits. Starts nothing and downloads nothing.

Exit code 0: it fits as far as can be known; 1: it does not; 2: the configuration can't be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.hosting import add_hosting_arguments, node_config
from gateway.cli.units import size
from gateway.supervisor.placement import node_budget
from gateway.supervisor.sizes import sized
from shared.config import ModelConfig, read_environment
from shared.detect import detect_kind
from shared.errors import ConfigError
from shared.footprint import Footprint, estimate

if TYPE_CHECKING:
    from rich.table import Table

FITS, TOO_BIG, UNUSABLE = 0, 1, 2
_PIPE_WIDTH = 160  # columns where no terminal says how many


@dataclass(frozen=True, slots=True)
class Row:
    """One model. `footprint` is None while it is not on this machine, `problem` tells why it can't be hosted."""

    name: str
    source: str
    kind: str
    batch: int
    context: int = 0  # tokens; of speech: characters
    footprint: Footprint | None = None
    problem: str | None = None
    needed: int = 0  # by one of its workers, bytes
    replicas: int = 1
    at_start: bool = True
    pinned: bool = False

    @property
    def reserved(self) -> int:
        """By all of its workers, bytes."""
        return self.needed * self.replicas

    @property
    def weights(self) -> int:
        return self.footprint.weights if self.footprint else 0

    @property
    def one_request(self) -> int:
        """KV cache of one request that uses the whole context, bytes."""
        return self.footprint.row(self.context) if self.footprint else 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_hosting_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    config, origin = node_config(args, read_environment())
    rows = [examine(name, entry) for name, entry in config.models.items()]
    budget = node_budget(config.node.memory_budget, _memory())
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(_table(rows, origin))
    code, words = verdict(rows, budget)
    console.print(words, markup=False, highlight=False, soft_wrap=True)
    return code


def examine(name: str, entry: ModelConfig) -> Row:
    """Reads the model's files where they are on this machine."""
    row = Row(
        name,
        entry.source,
        entry.kind or "",
        entry.max_batch,
        entry.context or 0,
        needed=entry.memory or 0,
        replicas=entry.replicas,
        at_start=entry.load == "startup",
        pinned=entry.pin,
    )
    folder = locate(entry.source)
    if folder is None:
        return row
    try:
        kind = entry.kind or detect_kind(folder)
        footprint = estimate(folder, kind)
    except ConfigError as error:
        return replace(row, problem=error.message)
    needed = sized(footprint, entry).reservation()
    return replace(row, kind=kind, context=footprint.offered(entry.context), footprint=footprint, needed=needed)


def locate(source: str) -> Path | None:
    """The folder of a local model or of a hub model in the cache; None for one that must be downloaded first."""
    if Path(source).is_absolute():
        return Path(source)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(source, "config.json")
    except HFValidationError as error:
        raise ConfigError(f"{source}: neither a folder nor a hub id") from error
    return Path(cached).parent if isinstance(cached, str) else None


def verdict(rows: Sequence[Row], budget: int) -> tuple[int, str]:
    """Exit code and reason. Fits: every model beside the pinned ones, and all that load at the start together."""
    # 1. What can't be hosted at all.
    broken = [f"{row.name}: {row.problem}" for row in rows if row.problem]
    if broken:
        return UNUSABLE, "\n".join(broken)
    at_start = sum(row.reserved for row in rows if row.at_start)
    words = (
        f"weights {size(sum(row.weights for row in rows))}; kept for what loads at the start {size(at_start)};"
        f" the budget is {size(budget)}"
    )
    # 2. What can never be loaded.
    for row in rows:
        most = budget - sum(other.reserved for other in rows if other.pinned and other is not row)
        if row.needed > most:
            return TOO_BIG, f"{words}: {row.name} needs {size(row.needed)}, at most {size(max(0, most))} can be had"
    # 3. What would have to wait for its first request.
    if at_start > budget:
        return TOO_BIG, f"{words}: does not fit; `load: on_demand` lets models take turns"
    # 4. What is known fits.
    absent = [row.name for row in rows if row.footprint is None]
    if absent:
        return FITS, f"{words}: fits so far; not on this machine yet: {', '.join(absent)}"
    return FITS, f"{words}: fits"


def _memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _table(rows: Sequence[Row], origin: str) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(origin), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("model", "source", "kind", "on disk"):
        table.add_column(heading, overflow="fold")
    for heading in ("weights", "KV a token", "context", "KV of one", "kept"):
        table.add_column(heading, justify="right")
    for row in rows:
        known = row.footprint
        table.add_row(
            escape(row.name),
            escape(row.source),
            row.kind or "?",
            "broken" if row.problem else "yes" if known else "no",
            size(known.weights) if known else "?",
            (size(known.per_token) if known.per_token else "-") if known else "?",
            f"{row.context or '?'}{' characters' if row.kind == 'tts' else ''}",
            (size(row.one_request) if row.one_request else "-") if known else "?",
            f"{row.replicas} x {size(row.needed)}" if row.replicas > 1 else size(row.needed) if row.needed else "?",
        )
    return table
