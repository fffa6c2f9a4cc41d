"""`mlx-gateway launch AGENT …`: finds the agent and the model, then becomes the agent (exec), its terminal and signals.

Our own options stand before the agent's: the first argument that isn't one of them, or `--`, begins those.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.cli.agents import AGENTS, KEY_VARIABLE, NO_KEY, Plan, Target
from gateway.cli.node_status import NodeUnreachable, WorkerLine, fetch, own_key, root_of, worker_lines
from gateway.cli.status import DEFAULT_URL
from shared.config import read_environment, user_environment
from shared.errors import ConfigError, MlxGatewayError

if TYPE_CHECKING:
    from gateway.routing.registry import Registry
    from shared.messages import Kind

LOOK = 0.3  # seconds
_CHAT: tuple[Kind, ...] = ("llm", "vlm")
_UNDER_WAY = ("spawned", "loading", "crashed", "backoff", "draining", "stopping")


class ModelDown(MlxGatewayError):
    """The model won't come without an operator; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [--model M] [--url URL] [--print] {{{'|'.join(AGENTS)}}} [the agent's arguments …]"
    _add_options(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="AGENT …", help=f"{', '.join(AGENTS)}")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="M", help="a model's id or alias (the node's default)")
    parser.add_argument("--url", help=f"the node, also MLX_GATEWAY_URL ({DEFAULT_URL})")
    parser.add_argument("--print", action="store_true", help="show the environment and the command, start nothing")


def run(args: argparse.Namespace) -> int:
    """Does not return once the agent runs. 1 when the node or the model can't be had."""
    name, arguments = own_options(args)
    agent = AGENTS[name]
    environment = read_environment()
    key = own_key(environment)
    variables = user_environment()
    program = shutil.which(name, path=variables.get("PATH"))
    if program is None and not args.print:
        raise ConfigError(f"{agent.title} is not installed: there is no `{name}` on PATH; get it with: {agent.install}")
    try:
        target = find_target(args.url or environment.url or DEFAULT_URL, args.model, key)
    except (NodeUnreachable, ModelDown) as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1
    plan = _reaching(agent.plan(target, arguments), target.url, variables)
    if args.print or program is None:
        print(as_shell(plan, hide=key))
        return 0
    return _become(program, plan, variables)


def own_options(args: argparse.Namespace) -> tuple[str, list[str]]:
    """The agent's name and arguments; our options between the two are moved into `args`. Raises ConfigError."""
    words = list(args.words)
    name = words.pop(0) if words else ""
    if name not in AGENTS:
        problem = f"{name!r} is not an agent that is known here" if name else "name the agent to start"
        raise ConfigError(f"{problem}: {', '.join(AGENTS)}")
    own = argparse.ArgumentParser(prog=f"mlx-gateway launch {name}", add_help=False, allow_abbrev=False)
    _add_options(own)
    count = 0
    while count < len(words) and words[count].partition("=")[0] in ("--model", "--url", "--print"):
        count += 1 if "=" in words[count] or words[count] == "--print" else 2
    own.parse_args(words[:count], namespace=args)
    rest = words[count:]
    return name, rest[1:] if rest[:1] == ["--"] else rest


def find_target(url: str, wanted: str | None, key: str | None) -> Target:
    """The model, ready to answer. Raises NodeUnreachable, ModelDown, and ConfigError for a name that isn't there."""

    def look() -> Mapping[str, Any]:
        try:
            return fetch(url, key)
        except NodeUnreachable as error:
            hint = "start one with `mlx-gateway serve`, or name it with --url or MLX_GATEWAY_URL"
            raise NodeUnreachable(f"{error.message}; {hint}") from error

    model = choose(look(), url, wanted)
    status = wait_until_loaded(model, look)
    contexts = {entry.get("id"): entry.get("context") for entry in status.get("models") or ()}
    return Target(root_of(url), model, contexts.get(model), key or NO_KEY)


def choose(status: Mapping[str, Any], url: str, wanted: str | None) -> str:
    """The id that a name means, by the node's own rules. Raises ConfigError, which lists what there is."""
    registry = _registry(status)
    try:
        return registry.resolve(wanted or "default", _CHAT).name
    except MlxGatewayError as error:
        able = [entry.name for entry in registry if entry.can(_CHAT)]
        there = f"{url} has {', '.join(able)}" if able else f"{url} hosts no model for chat"
        problem = error.message if wanted else "The node has no default model for chat; choose with --model."
        raise ConfigError(f"{problem} {there}") from error


def _registry(status: Mapping[str, Any]) -> Registry:
    from gateway.routing.registry import ModelEntry, Registry
    from shared.config import ModelConfig

    return Registry(
        ModelEntry(
            name=str(model.get("id")),
            config=ModelConfig(source="-", aliases=tuple(model.get("aliases") or ())),
            kind=model.get("kind"),
        )
        for model in status.get("models") or ()
    )


def wait_until_loaded(
    model: str, look: Callable[[], Mapping[str, Any]], sleep: Callable[[float], None] = time.sleep
) -> Mapping[str, Any]:
    """Shows how far it is. A model that loads on demand counts: the agent's first request will bring it."""
    from rich.console import Console

    status = look()
    worker = _worker(status, model)
    if worker is None or worker.state not in _UNDER_WAY:
        return _unless_down(status, worker)
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"mlx-gateway: waiting for {model}", markup=False, highlight=False)
    with console.status(model) as spinner:
        while worker is not None and worker.state in _UNDER_WAY:
            percent = "" if worker.fraction is None else f" {worker.fraction:.0%}"
            spinner.update(f"{model}: {worker.words}{percent}".replace("[", "\\["))
            sleep(LOOK)
            status = look()
            worker = _worker(status, model)
    return _unless_down(status, worker)


def _worker(status: Mapping[str, Any], model: str) -> WorkerLine | None:
    return next((line for line in worker_lines(status) if line.name == model), None)


def _unless_down(status: Mapping[str, Any], worker: WorkerLine | None) -> Mapping[str, Any]:
    if worker is not None and worker.state == "quarantined":
        raise ModelDown(f"{worker.name} can't be used, {worker.words}")
    return status


def _reaching(plan: Plan, url: str, variables: Mapping[str, str]) -> Plan:
    """We reached the node without a proxy; where the user has one, the agent must go around it as well."""
    if not any(variables.get(name) for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")):
        return plan
    host = urlsplit(url).hostname or url
    hosts = ",".join(filter(None, (variables.get("no_proxy") or variables.get("NO_PROXY"), host)))
    return Plan(plan.command, {**plan.variables, "NO_PROXY": hosts, "no_proxy": hosts}, plan.without)


def as_shell(plan: Plan, hide: str | None) -> str:
    """A command to copy, in `env`'s notation; the key appears as the variable that it came from."""
    lines = ["env", *(f"-u {name}" for name in plan.without)]
    for name, value in plan.variables.items():
        if hide is None or value != hide:
            lines.append(f"{name}={shlex.quote(value)}")
        elif name != KEY_VARIABLE:
            lines.append(f'{name}="${KEY_VARIABLE}"')
    return " \\\n  ".join([*lines, shlex.join(plan.command)])


def _become(program: str, plan: Plan, variables: Mapping[str, str]) -> int:
    environment = {name: value for name, value in variables.items() if name not in plan.without}
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(program, list(plan.command), {**environment, **plan.variables})  # noqa: S606 (it is the user's)
    except OSError as error:
        raise ConfigError(f"can't start {program}: {error.strerror or error}") from error
