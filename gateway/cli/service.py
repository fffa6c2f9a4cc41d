"""`mlx-gateway service`: keeps the node up, as a service of the user or (`--system`) of the machine."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from gateway.cli.hosting import state_folder
from gateway.service.manager import Launchd, Manager, ServiceError, Systemd
from gateway.service.plan import Plan
from shared.config import read_environment
from shared.config.units import parse_size
from shared.errors import ConfigError

VERBS = {
    "install": "write its files, start it now and at every boot or login",
    "uninstall": "stop it and remove its files; models, keys and usage stay",
    "start": "start it",
    "stop": "stop it until the next boot, login or start",
    "restart": "stop and start it",
    "status": "what the system says of it",
    "logs": "the last lines of its log",
}
_TAIL = 200  # lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("--system", action="store_true", help="a service of the machine, also when nobody is logged in")
    parser.add_argument("--user", help="whom a system service runs as (who calls sudo)")
    parser.add_argument("--config", metavar="FILE", help="the node's YAML; left out: the demo")
    parser.add_argument("--wired-limit", metavar="SIZE", help="macOS, with --system: the GPU's limit, set at boot")


def run(args: argparse.Namespace) -> int:
    """0; 1 when the system refuses."""
    plan = plan_from(args)
    try:
        return _do(args.verb, plan, manager(plan, args))
    except ServiceError as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1


def _do(verb: str, plan: Plan, service: Manager) -> int:
    match verb:
        case "install":
            for folder in (plan.state, plan.logs):
                make_folder(folder, plan.user)
            for path in service.install():
                print(f"wrote {path}")
            if not plan.user and sys.platform == "darwin":
                print(f"logs grow in {plan.logs}; newsyslog rotates them for a --system service only")
        case "status":
            print(service.status().rstrip())
        case "logs":
            sys.stdout.writelines(tail(plan.log, _TAIL))
        case "uninstall":
            service.uninstall()
        case "start":
            service.start()
        case "stop":
            service.stop()
        case "restart":
            service.restart()
    return 0


def make_folder(folder: Path, user: str | None) -> None:
    """A folder that the service may write to: it runs as `user`, whoever installs it. Raises ServiceError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user is not None:
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        raise ServiceError(f"{folder} can't be made ({error.strerror}); a system service needs sudo") from error


def plan_from(args: argparse.Namespace) -> Plan:
    """Absolute paths only: a service has no working folder of its own. Raises ConfigError."""
    environment = read_environment()
    file = args.config or environment.config
    state, config = state_folder(file, environment)
    user = _user(args)
    home = Path(pwd.getpwnam(user).pw_dir) if user else Path.home()
    if user and not (environment.state_dir or config.node.state_dir.startswith("/")):
        state = home / ".mlx-gateway"
    logs = Path("/Library/Logs") if user else home / "Library" / "Logs"
    return Plan(
        python=Path(sys.executable),
        config=Path(file).resolve() if file else None,
        state=state.absolute(),
        logs=logs / "mlx-gateway" if sys.platform == "darwin" else state.absolute() / "logs",
        home=home,
        drain=config.node.stop_grace,
        user=user,
    )


def _user(args: argparse.Namespace) -> str | None:
    if not args.system:
        return None
    name = args.user or read_environment().sudo_user or pwd.getpwuid(os.getuid()).pw_name
    try:
        pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigError(f"--user: there is no user {name!r}") from error
    return str(name)


def manager(plan: Plan, args: argparse.Namespace) -> Manager:
    if sys.platform != "darwin":
        return Systemd(plan)
    wired = parse_size(args.wired_limit) // 2**20 if args.wired_limit else None
    if wired is not None and not args.system:
        raise ConfigError("--wired-limit is set by root: add --system")
    return Launchd(plan, os.getuid(), wired_limit=wired)


def tail(file: Path, lines: int) -> Iterator[str]:
    """The last lines of the log, with those of the file before when there are few."""
    found: list[str] = []
    for path in (file.with_name(f"{file.name}.0"), file):
        try:
            found += path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except OSError:
            continue
    if not found:
        raise ServiceError(f"there is no log at {file}")
    return chain(found[-lines:])
