"""`mlx-gateway load MODEL`: asks the running node."""

from __future__ import annotations

import argparse

from gateway.cli import moving


def add_arguments(parser: argparse.ArgumentParser) -> None:
    moving.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    return moving.run(args, "load")
