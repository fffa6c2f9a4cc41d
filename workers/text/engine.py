"""The LLM engine: loads a model with mlx-lm and gives its requests to the generation loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from shared.errors import InvalidRequest, WrongModality
from shared.messages import (
    Accepted,
    Count,
    Delta,
    Detokenize,
    Finished,
    Generate,
    Ready,
    Stats,
    TextDelta,
    Tokens,
    Work,
)
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.generation import prompt
from workers.generation.forward import TextForward
from workers.generation.job import PreparedGenerate
from workers.generation.loop import Answer, GenerationLoop
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.platform.sampling import defaults_from_generation_config, resolve
from workers.text.loader import load


class TextEngine:
    """One mlx-lm model and its loop."""

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        args = EngineArgs.from_spec(spec)
        progress("load", None, "weights")
        self._loaded = loaded = load(Path(args.model), args)
        self._defaults = defaults_from_generation_config(loaded.generation_config)
        self._defaults |= dict(args.override_generation_config)
        self.loop = GenerationLoop(TextForward(loaded.model), loaded.tokenizer, loaded.vocab_size, loaded.eos, args)
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
        )

    # ------------------------------------------------------------ preprocessing thread
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedGenerate | Answer:
        match work:
            case Generate():
                return self._prepare_generate(work)
            case Count():
                tokens = prompt.tokenize(work.prompt, self._loaded.tokenizer, self._loaded.vocab_size)
                counted = Tokens(work.request, tuple(tokens), self._loaded.context)
                return Answer(work.request, (counted, Finished(work.request)))
            case Detokenize():
                return self._detokenize(work)
            case _:
                raise WrongModality("this model generates text; it can't do that", param="model")

    def _prepare_generate(self, work: Generate) -> PreparedGenerate:
        loaded = self._loaded
        if work.prompt.tools and not self.loop.segments.tools:
            raise InvalidRequest("this model's chat template knows no tools", param="tools")
        tokens = prompt.tokenize(work.prompt, loaded.tokenizer, loaded.vocab_size)
        prompt.check_length(tokens, loaded.context, work.sampling.max_tokens)
        params = tuple(
            resolve(
                work.sampling,
                defaults=self._defaults,
                vocab_size=loaded.vocab_size,
                eos=loaded.eos,
                room=loaded.context - len(tokens),
                index=index,
            )
            for index in range(work.n)
        )
        return PreparedGenerate(work, tokens, params)

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
        return self.loop.stats()

    def close(self) -> None:
        self.loop.close()
