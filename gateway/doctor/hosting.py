"""The node: its configuration, its address, and the service that keeps it up."""

from __future__ import annotations

import plistlib
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from gateway.cli.check import FITS, Row, verdict
from gateway.cli.node_status import NodeUnreachable
from gateway.doctor.finding import Finding, ok, problem, warning
from gateway.doctor.system import System
from gateway.service import launchd, systemd
from gateway.service.plan import Plan

_INSTALL = "`mlx-gateway service install` writes it anew"
_CONNECT = 2.0  # seconds
_BACKGROUND = "launchd slows other types than Interactive down: models decode 8 to 100 times slower"


def fits(rows: list[Row], origin: str, budget: int) -> Finding:
    """`mlx-gateway check`'s verdict."""
    code, words = verdict(rows, budget)
    if code == FITS:
        return ok("configuration", f"{origin}: {words}")
    return problem("configuration", f"{origin}: {words}", "`mlx-gateway check` shows each model's numbers")


def address(
    url: str, host: str, port: int, ask: Callable[[], Mapping[str, Any]], taken: Callable[[str, int], bool]
) -> tuple[Finding, Mapping[str, Any] | None]:
    """Whether a node answers, with its status; else whether its port could be had."""
    try:
        status = ask()
    except NodeUnreachable as error:
        if not taken(host, port):
            return ok("address", f"no node runs; {host}:{port} is free"), None
        advice = (
            "see what listens there (`lsof -i`), or choose another `server.port`; a node may want MLX_GATEWAY_API_KEY"
        )
        return problem("address", f"{host}:{port} is taken, and {error.message}", advice), None
    words = f"a node answers at {url}: version {status.get('version')}, {status.get('status')}"
    if status.get("status") == "degraded":
        return problem("address", words, "`mlx-gateway status` says which model failed and why"), status
    return ok("address", words), status


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(_CONNECT)
        if client.connect_ex((host, port)) == 0:  # macOS lets two bind where one has the wildcard address
            return True
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the node's own
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def services(system: System) -> Iterator[Finding]:
    """The user's and the machine's."""
    found = []
    for plan in (_plan(system, None), _plan(system, "root")):
        path = launchd.plist_path(plan) if system.is_mac else systemd.unit_path(plan)
        if path.is_file():
            found.append(agent(path) if system.is_mac else unit(system, plan, path))
    if len(found) > 1:
        advice = "remove one with `mlx-gateway service uninstall`, with or without --system"
        found.append(warning("service", "installed twice: for the user and for the machine", advice))
    yield from found or [ok("service", "not installed; `mlx-gateway service install` keeps the node up")]


def agent(path: Path) -> Finding:
    """launchd's."""
    try:
        values = plistlib.loads(path.read_bytes())
        process_type = values.get("ProcessType", "Standard")
        program = Path(values["ProgramArguments"][0])
    except (
        OSError,
        ExpatError,
        plistlib.InvalidFileException,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        return problem("service", f"{path} can't be read: {error}", _INSTALL)
    if not program.exists():
        return problem("service", f"{path} starts {program}, which is gone", _INSTALL)
    if process_type != "Interactive":
        return problem("service", f"{path} has ProcessType {process_type}; {_BACKGROUND}", _INSTALL)
    return ok("service", f"{path}, ProcessType {process_type}")


def unit(system: System, plan: Plan, path: Path) -> Finding:
    """systemd's."""
    state = system.run(systemd.command(plan, "is-active", systemd.UNIT)).output.strip() or "unknown"
    if state == "failed":
        return problem("service", f"{path} has failed", "`mlx-gateway service logs` and `status` say why")
    return ok("service", f"{path}, {state}")


def _plan(system: System, user: str | None) -> Plan:
    """As far as it says where a service's files are."""
    nowhere = Path()
    return Plan(nowhere, None, nowhere, nowhere, system.home, 0.0, user)
