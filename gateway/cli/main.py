"""`mlx-gateway COMMAND …`: finds the command, imports only that one and turns its errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from shared.errors import ConfigError

COMMANDS = {
    "serve": "host models behind one address",
    "check": "validate a configuration and say whether it fits this machine",
    "status": "watch a running node",
    "doctor": "look for what makes a node slow, and say what to do",
    "launch": "start a coding agent (claude, codex, opencode) on a node's model",
    "reload": "let a running node read its configuration again",
    "logs": "show the end of the node's log, and follow it",
    "service": "install, start and stop the node as a service of the system",
    "load": "load a model of a running node, and wait for it",
    "unload": "let a model of a running node finish, and free its memory",
    "keys": "create, list, rotate and revoke the keys of a team",
    "usage": "what each key and model has used, as a table and a chart",
}
USAGE_ERROR = 2  # argparse's code, and ours for a configuration that can't be used
INTERRUPTED = 130  # what shells report for Ctrl-C


class _Version(argparse.Action):
    """Reads the version only when asked: the metadata costs start-up time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"mlx-gateway {version('mlx-gateway')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    args = _parser(given).parse_args(given)
    try:
        return int(importlib.import_module(f"gateway.cli.{args.command}").run(args))
    except ConfigError as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Every command with its help; arguments only for the command that is called."""
    parser = argparse.ArgumentParser(prog="mlx-gateway", description="One shared Mac as a team's model server.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if given and given[0] == name:
            importlib.import_module(f"gateway.cli.{name}").add_arguments(command)
    return parser
