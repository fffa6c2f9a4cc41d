"""Times a short prefill and decode in the running node and in a process of this shell, and compares them.

A service may run many times slower than the same code in a terminal (launchd's Background type does); only a
measurement shows it. Both sides answer the same kind of requests (`shared.probe`), the node over its API, the shell's
side in a process of its own (`workers.probe_speed`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.node_status import NodeUnreachable
from gateway.doctor.finding import Finding, ok, problem, warning
from shared.config import ModelConfig
from shared.config.environment import child_environment
from shared.errors import MlxGatewayError
from shared.probe import DECODE, Seconds, measure
from shared.spec import WorkerSpec

FACTOR = 2.0  # so many times slower is a finding
GRAVE = 4.0  # and so many times a problem: launchd's Background type makes 8 to 100
NOISE = 0.2  # seconds that two measurements may differ without meaning
_ROOM = 1.5  # times the weights: what a second copy of the model needs
_LONGEST = 600.0  # seconds that the shell's side may take, loading included

Ask = Callable[[str, str, Any], Mapping[str, Any]]
"""(method, path, body) to the node; raises NodeUnreachable."""


class ProbeFailed(MlxGatewayError):
    """The shell's side gave no numbers; the message says why."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chat model that is loaded; `weights` in bytes."""

    name: str
    weights: int


def examine(
    status: Mapping[str, Any],
    models: Mapping[str, ModelConfig],
    ask: Ask,
    available: int,
    is_mac: bool,
    shell: Callable[[str, ModelConfig], Seconds] | None = None,
) -> Finding:
    """`status` is the node's, `models` the configuration's, `available` memory in bytes; `shell` as `in_shell`."""
    model = smallest(status)
    if model is None:
        return ok("speed", "not measured: no chat model is loaded")
    entry = models.get(model.name)
    if entry is None:
        words = f"not measured: the node hosts {model.name}, of which this configuration knows nothing"
        return warning("speed", words, "name the node's own file with --config")
    if model.weights * _ROOM > available:
        advice = "unload a model, or load a smaller chat model"
        return warning("speed", f"not measured: no room for a second copy of {model.name}", advice)
    others = int((status.get("requests") or {}).get("running") or 0)
    try:
        node, here = in_service(ask, model.name), (shell or in_shell)(model.name, entry)
        if slower(node, here):  # something else may have used the machine in that moment
            node = best(node, in_service(ask, model.name))
    except NodeUnreachable as error:
        return warning("speed", f"not measured: {error.message}", "`mlx-gateway status` says how the node is")
    except ProbeFailed as error:
        return warning("speed", f"not measured in this shell: {error.message}", "`--no-speed` leaves this out")
    return compare(node, here, others, is_mac)


def smallest(status: Mapping[str, Any]) -> Candidate | None:
    """The smallest chat model of the node that is ready."""
    workers = [one for one in status.get("workers") or () if one.get("state") == "ready"]
    chat = [one for one in workers if one.get("kind") in ("llm", "vlm")]
    found = [Candidate(str(one.get("model") or one.get("name")), int(one.get("weight_bytes") or 0)) for one in chat]
    return min(found, key=lambda one: one.weights, default=None)


def in_service(ask: Ask, model: str, clock: Callable[[], float] = time.monotonic) -> Seconds:
    """Times the running node. Raises NodeUnreachable."""

    def answer(prompt: str, tokens: int) -> None:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": tokens, "ignore_eos": True}
        ask("POST", "/v1/chat/completions", body)

    return measure(answer, clock)


def in_shell(name: str, model: ModelConfig) -> Seconds:
    """Times a process of this shell, which loads a copy of the model. Raises ProbeFailed."""
    spec = WorkerSpec(
        name=f"{name} (doctor)",
        incarnation=1,
        endpoint="",
        source=model.source,
        kind=model.kind,
        max_batch=model.max_batch,
        trust_remote_code=model.trust_remote_code,
        log_level="error",
    )
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "workers.probe_speed"],
            input=spec.to_line(),
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            env=child_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeFailed(f"no answer within {_LONGEST:.0f} s") from error
    try:
        return Seconds(**json.loads(done.stdout.strip().splitlines()[-1]))
    except (ValueError, IndexError, TypeError) as error:
        said = done.stderr.strip().splitlines()
        raise ProbeFailed(said[-1] if said else f"it ended with status {done.returncode}") from error


def slower(service: Seconds, shell: Seconds) -> dict[str, float]:
    """By which factor the node is slower, for each part where that is more than noise."""
    pairs = {"prefill": (service.prefill, shell.prefill), "decode": (service.decode, shell.decode)}
    return {
        part: node / max(here, 1e-6)
        for part, (node, here) in pairs.items()
        if node >= FACTOR * here and node - here >= NOISE
    }


def best(one: Seconds, other: Seconds) -> Seconds:
    return Seconds(min(one.prefill, other.prefill), min(one.decode, other.decode))


def compare(service: Seconds, shell: Seconds, others: int, is_mac: bool) -> Finding:
    """`others`: requests that ran in the node besides."""
    found = slower(service, shell)
    words = (
        f"{DECODE} tokens in {service.decode:.2f} s in the node, {shell.decode:.2f} s in this shell;"
        f" prefill {service.prefill:.2f} s and {shell.prefill:.2f} s"
    )
    if not found:
        return ok("speed", words)
    parts = ", ".join(f"{part} {factor:.1f} times" for part, factor in found.items())
    words = f"the node is slower than this shell ({parts}): {words}"
    if others:
        return warning("speed", words, f"{others} other requests ran meanwhile; ask again when the node is idle")
    advice = "look for memory pressure and other load (`mlx-gateway status`, `top`)"
    if max(found.values()) < GRAVE:
        return warning("speed", words, advice)
    if is_mac:
        advice = f"see `service` above: its ProcessType has to be Interactive; then {advice}"
    return problem("speed", words, advice)
