"""`mlx-gateway keys`: the keys in the state directory. A running node follows within half a second."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from gateway.cli.hosting import state_folder
from gateway.tenancy import keyfile
from shared.config import read_environment
from shared.config.keys import KeyConfig
from shared.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create|list|rotate|revoke")
    create = verbs.add_parser("create", help="make a key; it is shown once")
    create.add_argument("name")
    create.add_argument("--models", nargs="+", metavar="GLOB", help="models it may use (all)")
    create.add_argument("--mcp", nargs="*", metavar="GLOB", help="tool servers it may use (all)")
    create.add_argument("--role", choices=("user", "admin"))
    create.add_argument("--weight", type=float, help="share of a busy model's time beside others (1)")
    create.add_argument("--requests-per-minute", type=int, metavar="N")
    create.add_argument("--tokens-per-minute", metavar="N", help="such as 200k")
    create.add_argument("--tokens-per-day", metavar="N", help="such as 2M")
    create.add_argument("--parallel", type=int, metavar="N", help="requests at the same time")
    listing = verbs.add_parser("list", help="show the keys and their limits")
    rotate = verbs.add_parser("rotate", help="replace a key; the old one ends at once")
    revoke = verbs.add_parser("revoke", help="end a key at once, with what it has open")
    for verb in (rotate, revoke):
        verb.add_argument("name")
    for verb in (create, listing, rotate, revoke):
        verb.add_argument("--config", metavar="FILE", help="the node's YAML, which may name another state directory")


def run(args: argparse.Namespace) -> int:
    """0. Raises ConfigError for a name that is taken or unknown, and for values that can't be."""
    folder, config = state_folder(args.config, read_environment())
    file = folder / keyfile.NAME
    managed = keyfile.read(file)
    match args.verb:
        case "create":
            _create(args, file, managed, config.keys)
        case "list":
            _list(managed, config.keys)
        case "rotate":
            old = _find(args.name, managed, config.keys)
            _store(file, managed, old, old.model_dump())
        case "revoke":
            gone = _find(args.name, managed, config.keys)
            keyfile.write(file, [key for key in managed if key is not gone])
            print(f"revoked {gone.name}", file=sys.stderr)
    return 0


def _create(
    args: argparse.Namespace, file: Path, managed: Sequence[KeyConfig], configured: Sequence[KeyConfig]
) -> None:
    if any(key.name == args.name for key in (*managed, *configured)):
        raise ConfigError(f"there is a key {args.name!r} already; `mlx-gateway keys rotate {args.name}` replaces it")
    given = {name: getattr(args, name) for name in KeyConfig.model_fields if hasattr(args, name)}
    _store(file, managed, None, {name: value for name, value in given.items() if value is not None})


def _store(file: Path, managed: Sequence[KeyConfig], old: KeyConfig | None, values: dict[str, object]) -> None:
    """Writes a fresh key in the place of `old`; it goes to stdout alone, so that a script can take it."""
    key = keyfile.new_key()
    try:
        entry = KeyConfig.model_validate(values | {"key_sha256": keyfile.digest(key)})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    keyfile.write(file, [*(other for other in managed if other is not old), entry])
    print(key)
    print(f"This is {entry.name}'s key. It is shown once: only its hash is kept.", file=sys.stderr)


def _find(name: str, managed: Sequence[KeyConfig], configured: Sequence[KeyConfig]) -> KeyConfig:
    for key in managed:
        if key.name == name:
            return key
    if any(key.name == name for key in configured):
        raise ConfigError(f"the key {name!r} stands in the node's YAML; change it there")
    known = ", ".join(key.name for key in managed) or "none"
    raise ConfigError(f"there is no key {name!r}; known: {known}")


def _list(managed: Sequence[KeyConfig], configured: Sequence[KeyConfig]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "models", "weight", "requests/min", "tokens/min", "tokens/day", "parallel", "where")
    for keys, where in ((managed, "keys.json"), (configured, "YAML")):
        for key in keys:
            limits = (key.requests_per_minute, key.tokens_per_minute, key.tokens_per_day, key.parallel)
            shown = ("-" if limit is None else f"{limit:,}" for limit in limits)
            table.add_row(key.name, key.role, " ".join(key.models), f"{key.weight:g}", *shown, where)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
