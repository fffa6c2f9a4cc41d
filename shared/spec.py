"""What a worker is told at birth: one line of JSON on its stdin."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from shared.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Sizes in bytes, times in seconds. `kind` None: the worker detects it from the model's files."""

    name: str
    incarnation: int
    endpoint: str
    source: str
    kind: str | None = None
    max_batch: int = 32
    context: int | None = None
    sampling: dict[str, Any] = field(default_factory=dict)  # defaults, in the names of messages.Sampling
    tool_parser: str = "auto"
    reasoning_parser: str = "auto"
    trust_remote_code: bool = False
    video_fps: float = 2.0
    video_max_frames: int = 32
    prefix_cache: int = 0  # bound of the prefix cache; 0: off
    memory_budget: int | None = None
    wired_limit: int | None = None  # None: leave the system's
    log_level: str = "info"
    log_style: str = "text"
    log_file: str | None = None  # None: stderr

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> WorkerSpec:
        """Raises ConfigError when the line is not a specification."""
        try:
            values = json.loads(line)
            unknown = set(values) - {field.name for field in fields(cls)}
            if unknown:
                raise ConfigError(f"the worker's specification has unknown fields: {sorted(unknown)}")
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the first line on stdin is not a worker's specification: {error}") from error

    @property
    def identity(self) -> str:
        return f"{self.name}.{self.incarnation}"
