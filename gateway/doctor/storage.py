"""Disks: the hub cache, where models are downloaded to, and the state directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.cli.units import size
from gateway.doctor.finding import Finding, ok, problem, warning
from gateway.doctor.system import System

ROOM_FOR_MODELS = 20 * 10**9  # a mid-sized model and its successor
ROOM_FOR_STATE = 10**9


def examine(system: System, cache: Path, state: Path) -> Iterator[Finding]:
    yield folder(system, "hub cache", cache, ROOM_FOR_MODELS, "set HF_HOME to a folder on a larger disk")
    yield folder(system, "state", state, ROOM_FOR_STATE, "set `node.state_dir` to a folder on another disk")


def folder(system: System, matter: str, path: Path, room: int, elsewhere: str) -> Finding:
    """A folder that is made when it is needed: whether it can be written, and how much."""
    if not system.writable(path):
        return problem(matter, f"{path} can't be written", f"give it to the user who runs the node, or {elsewhere}")
    free = system.free_space(path)
    words = f"{path}{'' if path.exists() else ' (not there yet)'}, {size(free)} free"
    if free < room // 20:
        return problem(matter, words, f"free some space, or {elsewhere}")
    if free < room:
        return warning(matter, words, f"free some space, or {elsewhere}")
    return ok(matter, words)


def hub_cache() -> Path:
    """Where the Hugging Face libraries keep models, by their own environment."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
