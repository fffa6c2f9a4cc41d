"""`mlx-gateway logs`: the end of the node's log, and what is added to it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from gateway.cli import service
from gateway.service.manager import ServiceError
from shared.config import read_environment

LOOK = 0.5  # seconds between looks at the file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--lines", type=int, default=200, metavar="N", help="how many lines (200)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    parser.add_argument("--config", metavar="FILE", help="the node's YAML, which may name another state directory")
    parser.add_argument("--system", action="store_true", help="of a service of the machine")
    parser.add_argument("--user", help="whom that runs as")


def run(args: argparse.Namespace) -> int:
    """0; 1 when there is no log: a node in a terminal writes to it unless MLX_GATEWAY_LOG_FILE says otherwise."""
    named = read_environment().log_file
    file = Path(named) if named else service.plan_from(args).log
    try:
        sys.stdout.writelines(service.tail(file, max(args.lines, 1)))
    except ServiceError as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1
    if args.follow:
        follow(file, sys.stdout)
    return 0


def follow(file: Path, out: TextIO, sleep: Callable[[float], None] = time.sleep) -> None:
    """Until Ctrl-C. A file that is rotated away is read to its end; then the new one from its beginning."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        stream.seek(0, os.SEEK_END)
        _until_rotated(file, stream, out, sleep)
    while True:
        with file.open(encoding="utf-8", errors="replace") as stream:
            _until_rotated(file, stream, out, sleep)


def _until_rotated(file: Path, stream: TextIO, out: TextIO, sleep: Callable[[float], None]) -> None:
    while True:
        added = stream.read()
        out.write(added)
        out.flush()
        if added:
            continue
        if file.exists() and file.stat().st_ino != os.fstat(stream.fileno()).st_ino:
            return
        sleep(LOOK)
