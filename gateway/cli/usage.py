"""`mlx-gateway usage`: the usage ledger as a table and a chart in the terminal, or as CSV. It needs no running node."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.cli.hosting import state_folder
from gateway.tenancy.ledger import NAME
from gateway.tenancy.report import GROUPS, By, to_csv, totals
from shared.config import read_environment
from shared.errors import ConfigError

_Row = dict[str, Any]
_BAR = 40  # characters
_SHOWN = ("requests", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "mean_first", "mean_total")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default="key", help=f"some of {', '.join(GROUPS)}, with commas between (key)")
    parser.add_argument("--days", type=int, default=30, metavar="N", help="how many days back, today included (30)")
    parser.add_argument("--key", metavar="NAME", help="of one key only")
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument("--config", metavar="FILE", help="the node's YAML, which may name another state directory")


def run(args: argparse.Namespace) -> int:
    """0. Raises ConfigError for a group that isn't one."""
    names = [name.strip() for name in args.by.split(",") if name.strip()]
    by = [group for name in names for group in GROUPS if group == name]
    if len(by) != len(names) or not by:
        raise ConfigError(f"--by takes some of {', '.join(GROUPS)}")
    file = state_folder(args.config, read_environment())[0] / NAME
    today = datetime.now(UTC).date()
    since = today - timedelta(days=max(args.days, 1) - 1)
    rows = totals(file, by, since, key=args.key)
    if args.csv:
        sys.stdout.write(to_csv(rows, by))
        return 0
    _show(rows, by, totals(file, ["day"], since, key=args.key), since, today)
    return 0


def _show(
    rows: Sequence[dict[str, Any]], by: Sequence[By], days: Sequence[dict[str, Any]], since: date, today: date
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(title=f"{since} to {today}, UTC")
    for group in by:
        table.add_column(group)
    for measure in _SHOWN:
        table.add_column(measure.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(str(row[name]) or "(no key)" for name in by), *(_number(row[name]) for name in _SHOWN))
    console.print(table)
    for line in chart(days):
        console.print(line, highlight=False, markup=False)


def chart(days: Sequence[_Row]) -> list[str]:
    """A bar a day: tokens of prompts and answers."""
    tokens = {row["day"]: row["prompt_tokens"] + row["completion_tokens"] for row in days}
    most = max(tokens.values(), default=0)
    if not most:
        return []
    return [
        f"{day} {'█' * max(1, round(_BAR * count / most)):{_BAR}} {count:,} tokens" for day, count in tokens.items()
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f} s"
