"""The vision engine: loads a model with mlx-vlm and gives its requests, with their media, to the generation loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shared.errors import InvalidRequest, WrongModality
from shared.messages import (
    Accepted,
    Count,
    Delta,
    Detokenize,
    Finished,
    Generate,
    MediaPart,
    Prompt,
    Ready,
    Stats,
    TextDelta,
    Tokens,
    Work,
)
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.generation import prompt as prompts
from workers.generation.job import PreparedGenerate
from workers.generation.loop import Answer, GenerationLoop
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.platform.sampling import defaults_from_generation_config, resolve
from workers.vision.features import FeatureCache
from workers.vision.forward import VisionForward
from workers.vision.inputs import InputBuilder, MediaInputs
from workers.vision.loader import load
from workers.vision.media import MediaReader

FEATURE_SHARE = 4  # encoded media may take a quarter of what the prefix cache may


class VisionEngine:
    """One mlx-vlm model and its loop."""

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        args = EngineArgs.from_spec(spec)
        progress("load", None, "weights")
        self._loaded = loaded = load(Path(args.model), args)
        self._defaults = defaults_from_generation_config(loaded.generation_config)
        self._defaults |= dict(args.override_generation_config)
        self._wants_parts = loaded.wants_parts()
        markers = [mark for marks in loaded.places.values() for mark in marks]
        self._reader = MediaReader(loaded.native_video, markers, spec.video_fps, spec.video_max_frames)
        self._builder = InputBuilder(loaded.processor, loaded.media_tokens, loaded.places)
        self.features = FeatureCache(args.prefix_cache_memory_bytes // FEATURE_SHARE)
        self.forward = VisionForward(loaded.model, self.features)
        self.loop = GenerationLoop(self.forward, loaded.tokenizer, loaded.vocab_size, loaded.eos, args)
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
        )

    # ------------------------------------------------------------ preprocessing thread
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedGenerate | Answer:
        match work:
            case Generate():
                return self._prepare_generate(work, blobs)
            case Count():
                tokens, _, _ = self._read(work.prompt, blobs)
                return Answer(
                    work.request, (Tokens(work.request, tuple(tokens), self._loaded.context), Finished(work.request))
                )
            case Detokenize():
                return self._detokenize(work)
            case _:
                raise WrongModality("this model reads text, images and video; it can't do that", param="model")

    def _prepare_generate(self, work: Generate, blobs: Sequence[memoryview]) -> PreparedGenerate:
        loaded = self._loaded
        if work.prompt.tools and not self.loop.segments.tools:
            raise InvalidRequest("this model's chat template knows no tools", param="tools")
        tokens, keys, media = self._read(work.prompt, blobs)
        prompts.check_length(tokens, loaded.context, work.sampling.max_tokens)
        room = loaded.context - len(tokens)
        params = tuple(
            resolve(
                work.sampling,
                defaults=self._defaults,
                vocab_size=loaded.vocab_size,
                eos=loaded.eos,
                room=room,
                index=index,
            )
            for index in range(work.n)
        )
        return PreparedGenerate(work, tokens, params, keys, media)

    def _read(self, prompt: Prompt, blobs: Sequence[memoryview]) -> tuple[list[int], list[int], MediaInputs | None]:
        """Tokens, cache keys and media of a prompt."""
        has_media = any(isinstance(part, MediaPart) for message in prompt.messages for part in message.content)
        decoded = self._reader.read(prompt.messages, blobs)
        if not has_media:
            tokens = self._tokens(prompt)
            return tokens, tokens, None
        shaped = [
            prompts.shape(message, parts=at in decoded or self._wants_parts)
            for at, message in enumerate(prompt.messages)
        ]
        conversation = self._reader.conversation(shaped, decoded)
        text = prompts.render(prompt, self._loaded.tokenizer, conversation.messages)
        return self._builder.build(text, conversation)

    def _tokens(self, prompt: Prompt) -> list[int]:
        loaded = self._loaded
        if not (prompt.messages and self._wants_parts):
            return prompts.tokenize(prompt, loaded.tokenizer, loaded.vocab_size)
        shaped = [prompts.shape(message, parts=True) for message in prompt.messages]
        text = prompts.render(prompt, loaded.tokenizer, shaped)
        return list(loaded.tokenizer.encode(text, add_special_tokens=prompt.add_special_tokens))

    def _detokenize(self, work: Detokenize) -> Answer:
        for index, token in enumerate(work.tokens):
            if not 0 <= token < self._loaded.vocab_size:
                raise InvalidRequest(f"token id {token} is not in the vocabulary", param=f"tokens[{index}]")
        text = str(self._loaded.tokenizer.decode(list(work.tokens)))
        return Answer(work.request, (TextDelta(work.request, 0, text), Finished(work.request)))

    # ------------------------------------------------------------ engine thread
    def admit(self, prepared: PreparedGenerate | Answer) -> Sequence[Accepted | Delta]:
        return self.loop.admit(prepared)

    def step(self) -> Sequence[Accepted | Delta]:
        return self.loop.step()

    def cancel(self, request: str) -> Sequence[Delta]:
        return self.loop.cancel(request)

    @property
    def busy(self) -> bool:
        return self.loop.busy

    def stats(self) -> Stats:
        stats = self.loop.stats()
        return replace(stats, cache_bytes=stats.cache_bytes + self.features.nbytes)

    def close(self) -> None:
        self.features.clear()
        self.loop.close()
