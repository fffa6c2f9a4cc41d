"""The protocol between the worker's runtime and the engine that owns a model.

`prepare` runs on a preprocessing thread; everything else on the worker's main thread, where MLX lives. A step reads
as three verbs: admit what was prepared, `step` once, send the deltas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from shared.messages import Accepted, Delta, Ready, Stats, Work
from shared.spec import WorkerSpec

Progress = Callable[[str, float | None, str], None]
"""Reports (stage, fraction or None, detail) while a model loads."""

Prepared = TypeVar("Prepared")


class Engine(Protocol[Prepared]):
    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        """Downloads, loads and warms up the model. Raises MlxGatewayError when it can't be hosted."""
        ...

    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> Prepared:
        """Preprocessing thread: template, tokenise, decode media, validate against the model. Raises RequestError."""
        ...

    def admit(self, prepared: Prepared) -> Sequence[Accepted | Delta]:
        """Takes a request in. Work that needs no model step answers here and now."""
        ...

    def step(self) -> Sequence[Accepted | Delta]:
        """One model step for everything admitted."""
        ...

    def cancel(self, request: str) -> Sequence[Delta]:
        """Drops a request's rows; answers with its `Failed(cancelled)`, or nothing for one that has ended."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        ...

    def trim(self, keep_bytes: int) -> None:
        """Memory is short: shrinks what it keeps of past requests to `keep_bytes` and frees buffers; between steps."""
        ...

    def stats(self) -> Stats:
        """Counters so far; called between steps."""
        ...

    def close(self) -> None:
        """Frees the model."""
        ...
