"""What a model will hold in memory, from its files; read once, when the node starts or its configuration changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.supervisor.placement import reservation
from shared.config import ModelConfig
from shared.detect import detect_kind
from shared.errors import ConfigError
from shared.footprint import Footprint, estimate
from shared.logs import get_logger

log = get_logger("gateway.memory")

_WHOLE_CONTEXTS = 4  # a batch's requests together; that all of them fill their contexts is rare
_MOST_ROWS = 64  # full contexts; a prefix cache never holds more of a small model than that


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes: of the weights, of the KV caches of a few whole contexts, of the prefix cache at most, of a step's work.

    `stated`: what the configuration says instead.
    """

    weights: int = 0
    kv: int = 0
    prefix_cache: int = 0
    stated: int | None = None
    working: int = 0

    def reservation(self, peak: int = 0) -> int:
        """What a worker needs; `peak` is the most it was once seen to hold."""
        return self.stated or reservation(self.weights, self.kv + self.working, self.prefix_cache, peak)


def measure(name: str, model: ModelConfig) -> Size:
    """A model that is elsewhere, or can't be read, is known once it has run (its worker will say what is wrong)."""
    folder = Path(model.source)
    if not folder.is_dir():
        return Size(stated=model.memory)
    try:
        footprint = estimate(folder, model.kind or detect_kind(folder))
    except ConfigError as error:
        log.warning("the model's size is unknown", model=name, error=error.message)
        return Size(stated=model.memory)
    return sized(footprint, model)


def sized(footprint: Footprint, model: ModelConfig) -> Size:
    row = footprint.row(footprint.offered(model.context))
    return Size(
        footprint.weights,
        row * min(model.max_batch, _WHOLE_CONTEXTS),
        min(model.prefix_cache, _MOST_ROWS * row) if footprint.keeps_prefixes else 0,
        model.memory,
        footprint.working,
    )
