"""Runs an engine as the worker's runtime would, without threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.messages import Delta, Embed, EmbedInput, Failed, Finished, Ready, Scores, Vectors, Work
from shared.spec import WorkerSpec
from workers.embedding.engine import BatchEngine, EmbeddingEngine


def start(folder: Path, kind: type[BatchEngine] = EmbeddingEngine, **spec: Any) -> tuple[BatchEngine, Ready]:
    engine = kind()
    ready = engine.load(WorkerSpec("e", 1, "ipc://x", str(folder), **spec), lambda *_: None)
    return engine, ready


def embed(request: str, *inputs: str | tuple[int, ...], dimensions: int | None = None) -> Embed:
    made = [EmbedInput(text=entry) if isinstance(entry, str) else EmbedInput(tokens=entry) for entry in inputs]
    return Embed(request, tuple(made), dimensions)


def run(engine: BatchEngine, *works: Work) -> dict[str, list[Delta]]:
    """The deltas of each request, all admitted before the first step."""
    found: dict[str, list[Delta]] = {work.request: [] for work in works}
    for work in works:
        engine.admit(engine.prepare(work, ()))
    while engine.busy:
        for delta in engine.step():
            found[delta.request].append(delta)
    return found


def endings(engine: BatchEngine) -> list[str]:
    """Which requests end, in order."""
    ended = []
    while engine.busy:
        ended += [delta.request for delta in engine.step() if isinstance(delta, Finished | Failed)]
    return ended


def vectors(deltas: list[Delta]) -> NDArray[np.float32]:
    answer, finished = deltas
    assert isinstance(answer, Vectors)
    assert isinstance(finished, Finished)
    return np.frombuffer(answer.data.data, "<f4").reshape(-1, answer.dimensions)


def scores(deltas: list[Delta]) -> tuple[float, ...]:
    answer, finished = deltas
    assert isinstance(answer, Scores)
    assert isinstance(finished, Finished)
    return answer.scores
