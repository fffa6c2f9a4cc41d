"""`mlx-gateway doctor`: looks for what makes a node slow, or keeps it from running, and says what to do.

Exit code 0: nothing to worry about, or warnings only; 1: problems.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from gateway.cli.check import examine
from gateway.cli.hosting import add_hosting_arguments, node_config
from gateway.cli.node_status import ask, own_key
from gateway.doctor import hosting, machine, speed, storage
from gateway.doctor.finding import Finding, problem
from gateway.doctor.system import System
from gateway.supervisor.placement import node_budget
from shared.config import Environment, NodeConfig, read_environment
from shared.errors import ConfigError

_MARKS = {"ok": "  ", "warning": "! ", "problem": "x "}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)
_ONE_ANSWER = 300.0  # seconds; a throttled service is slow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_hosting_arguments(parser)
    parser.add_argument("--url", help="the running node, also MLX_GATEWAY_URL (the configuration's address)")
    parser.add_argument("--no-speed", action="store_true", help="don't time the node and the shell")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """0, or 1 with problems. Findings are printed as they come."""
    found: list[Finding] = []
    for finding in findings(args, read_environment(), System()):
        found.append(finding)
        if not args.json:
            print(line(finding), flush=True)
    problems = sum(one.level == "problem" for one in found)
    if args.json:
        print(json.dumps({"ok": not problems, "findings": [asdict(one) for one in found]}, indent=2))
    else:
        warnings = sum(one.level == "warning" for one in found)
        print(f"\nproblems: {problems}, warnings: {warnings}" if problems or warnings else "\nall is well")
    return 1 if problems else 0


def line(finding: Finding) -> str:
    advice = f"\n{'':17}-> {finding.advice}" if finding.advice else ""
    return f"{_MARKS[finding.level]}{finding.matter:<15}{finding.words}{advice}"


def findings(args: argparse.Namespace, environment: Environment, system: System) -> Iterator[Finding]:
    """Everything, the machine first, the slow measurement last."""
    config, broken, origin = NodeConfig(), None, ""
    try:
        config, origin = node_config(args, environment)
    except ConfigError as error:
        broken = problem("configuration", error.message, "mend it; `mlx-gateway check` says when it is right")
    budget = node_budget(config.node.memory_budget, system.memory()[0])
    yield from machine.examine(system, None if broken else budget)
    yield from storage.examine(system, storage.hub_cache(), Path(config.node.state_dir).expanduser())
    yield broken or _fits(config, origin, budget)
    yield from hosting.services(system)
    url = args.url or environment.url or _url(config)
    key = own_key(environment) if broken is None else environment.api_key
    call = partial(_call, url, key)
    server = config.server
    finding, status = hosting.address(
        url, _ANY.get(server.host, server.host), server.port, lambda: call("GET", "/v1/status", None), hosting.is_taken
    )
    yield finding
    if status is not None and not args.no_speed:
        yield speed.examine(status, config.models, call, system.memory()[1], system.is_mac)


def _fits(config: NodeConfig, origin: str, budget: int) -> Finding:
    try:
        return hosting.fits([examine(name, entry) for name, entry in config.models.items()], origin, budget)
    except ConfigError as error:
        return problem("configuration", error.message, "mend it; `mlx-gateway check` says when it is right")


def _url(config: NodeConfig) -> str:
    host = _ANY.get(config.server.host, config.server.host)
    return f"http://[{host}]:{config.server.port}" if ":" in host else f"http://{host}:{config.server.port}"


def _call(url: str, key: str | None, method: str, path: str, body: Any) -> Mapping[str, Any]:
    return ask(method, url, path, key, _ONE_ANSWER if body else 5.0, body)
