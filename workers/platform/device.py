"""What the machine is, as MLX sees it. Never fails: a fact that MLX lacks comes from the operating system."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any, Literal

import psutil

Backend = Literal["metal", "cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Device:
    """Sizes in bytes. `working_set` is what the system recommends to keep resident; None where it says nothing."""

    backend: Backend
    name: str
    memory: int
    working_set: int | None = None

    @property
    def label(self) -> str:
        """For people and `Ready.device`: `metal (Apple M4 Max)`."""
        return f"{self.backend} ({self.name})"


def read_device(mx: Any = None) -> Device:
    """The device that MLX computes on by default. `mx` is `mlx.core`, or a fake of it."""
    if mx is None:
        import mlx.core as mx
    backend = _backend(mx)
    facts = _facts(mx)
    memory = facts.get("memory_size") or facts.get("total_memory") or psutil.virtual_memory().total
    return Device(
        backend=backend,
        name=str(facts.get("device_name") or platform.processor() or platform.machine()),
        memory=int(memory),
        working_set=_positive(facts.get("max_recommended_working_set_size")) if backend == "metal" else None,
    )


def _backend(mx: Any) -> Backend:
    if mx.default_device() != mx.gpu:
        return "cpu"
    if mx.metal.is_available():
        return "metal"
    cuda = getattr(mx, "cuda", None)
    return "cuda" if cuda is not None and cuda.is_available() else "cpu"


def _facts(mx: Any) -> dict[str, Any]:
    try:
        return dict(mx.device_info())
    except (RuntimeError, AttributeError):  # a backend without facts
        return {}


def _positive(value: Any) -> int | None:
    return int(value) if value else None
