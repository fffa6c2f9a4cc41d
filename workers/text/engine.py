"""The LLM engine: loads a model with mlx-lm and gives its requests to the generation loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from shared.messages import Prompt, Ready
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.generation import prompt as prompts
from workers.generation.engine import GenerationEngine, ReadPrompt
from workers.generation.forward import TextForward
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.text.loader import load


class TextEngine(GenerationEngine):
    """One mlx-lm model and its loop."""

    reads = "text"

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        args = EngineArgs.from_spec(spec)
        progress("load", None, "weights")
        self._loaded = loaded = load(Path(args.model), args)
        self._begin(loaded, TextForward(loaded.model), args)
        progress("warm-up", None, "")
        self.loop.warm_up()
        return Ready(
            kind="llm",
            max_inflight=args.max_inflight,
            context=loaded.context,
            device=read_device().label,
            capabilities=self.loop.capabilities,
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
            sharing=self.loop.sharing.names,
            not_shared=self.loop.sharing.refusals,
        )

    def _read(self, prompt: Prompt, blobs: Sequence[memoryview]) -> ReadPrompt:
        loaded = self._loaded
        return ReadPrompt(prompts.tokenize(prompt, loaded.tokenizer, loaded.vocab_size, self.loop.formats.template))
