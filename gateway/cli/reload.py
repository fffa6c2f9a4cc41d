"""`mlx-gateway reload`: lets the running node read its configuration again."""

from __future__ import annotations

import argparse
import sys

from gateway.cli.node_status import NodeUnreachable, ask, own_key
from gateway.cli.status import DEFAULT_URL
from shared.config import read_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the node, also MLX_GATEWAY_URL ({DEFAULT_URL})")


def run(args: argparse.Namespace) -> int:
    """0; 1 when no node answers, or it refuses the new configuration and keeps the old one."""
    environment = read_environment()
    try:
        answer = ask("POST", args.url or environment.url or DEFAULT_URL, "/admin/reload", own_key(environment), None)
    except NodeUnreachable as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1
    fixed = answer.get("needs_restart") or []
    print("reloaded" + (f"; a restart is needed for {', '.join(fixed)}" if fixed else ""))
    return 0
