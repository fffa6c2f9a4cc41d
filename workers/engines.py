"""Which engine serves which kind of model. Engines are imported when they are needed: each brings its own libraries."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.detect import detect_kind
from shared.errors import ConfigError
from shared.spec import WorkerSpec
from workers.engine import Engine, Progress
from workers.platform.memory import apply_limits
from workers.platform.source import resolve_source

ENGINES = {
    "tts": "workers.speech.engine:SpeechEngine",
    "llm": "workers.text.engine:TextEngine",
    "vlm": "workers.vision.engine:VisionEngine",
    "stt": "workers.transcription.engine:TranscriptionEngine",
    "embedding": "workers.embedding.engine:EmbeddingEngine",
    "reranker": "workers.embedding.engine:RerankEngine",
}


def engine_path(kind: str) -> str:
    """`module:class` of the engine for a kind. Raises ConfigError for a kind that this build lacks."""
    if kind not in ENGINES:
        raise ConfigError(f"this build can't serve models of kind {kind!r}; it serves {', '.join(ENGINES)}")
    return ENGINES[kind]


def engine_class(path: str) -> type[Engine[Any]]:
    module, name = path.split(":")
    found: type[Engine[Any]] = getattr(importlib.import_module(module), name)
    return found


def host(spec: WorkerSpec, progress: Progress) -> tuple[Engine[Any], WorkerSpec]:
    """Finds the model's folder and kind, puts the memory limits in force and makes the engine.

    The specification that comes back names the folder and the kind. Raises ConfigError.
    """
    folder = resolve_source(spec.source, progress)
    kind = spec.kind or detect_kind(Path(folder))
    path = engine_path(kind)
    apply_limits(spec.memory_budget, spec.wired_limit)  # before a model library is imported
    return engine_class(path)(), replace(spec, source=str(folder), kind=kind)
