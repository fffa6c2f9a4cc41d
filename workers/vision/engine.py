"""The vision engine: loads a model with mlx-vlm and gives its requests, with their media, to the generation loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shared.messages import Prompt, Ready, Stats
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.generation import prompt as prompts
from workers.generation.engine import GenerationEngine, ReadPrompt
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.vision.features import FeatureCache
from workers.vision.forward import VisionForward
from workers.vision.inputs import InputBuilder
from workers.vision.loader import load
from workers.vision.media import MediaReader

FEATURE_SHARE = 4  # encoded media may take a quarter of what the prefix cache may


class VisionEngine(GenerationEngine):
    """One mlx-vlm model and its loop."""

    reads = "text, images and video"

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        args = EngineArgs.from_spec(spec)
        progress("load", None, "weights")
        self._loaded = loaded = load(Path(args.model), args)
        markers = [mark for marks in loaded.places.values() for mark in marks]
        self._reader = MediaReader(loaded.native_video, markers, spec.video_fps, spec.video_max_frames)
        self._builder = InputBuilder(loaded.processor, loaded.media_tokens, loaded.places)
        self.features = FeatureCache(args.prefix_cache_memory_bytes // FEATURE_SHARE)
        self.forward = VisionForward(loaded.model, self.features)
        self._begin(loaded, self.forward, args)
        progress("warm-up", None, "")
        self.loop.warm_up()
        return Ready(
            kind="vlm",
            max_inflight=args.max_inflight,
            context=loaded.context,
            device=read_device().label,
            capabilities=(*self.loop.capabilities, "image", "video"),
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
            sharing=self.loop.sharing.names,
            not_shared=self.loop.sharing.refusals,
        )

    def _read(self, prompt: Prompt, blobs: Sequence[memoryview]) -> ReadPrompt:
        loaded, template = self._loaded, self.loop.formats.template
        media = self._reader.read(prompt.messages, blobs)
        if not media:
            return ReadPrompt(prompts.tokenize(prompt, loaded.tokenizer, loaded.vocab_size, template))
        folded = template.fold(prompt)
        conversation = self._reader.conversation(folded.messages, template.shapes(folded, media=True), media)
        return ReadPrompt(*self._builder.build(template.render(folded, conversation.messages), conversation))

    def stats(self) -> Stats:
        stats = super().stats()
        return replace(stats, cache_bytes=stats.cache_bytes + self.features.nbytes)

    def trim(self, keep_bytes: int) -> None:
        self.features.shrink(keep_bytes // FEATURE_SHARE)
        super().trim(keep_bytes)

    def close(self) -> None:
        self.features.clear()
        super().close()
