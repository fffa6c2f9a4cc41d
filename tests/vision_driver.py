"""Drives the generation loop on a tiny mlx-vlm model, without a processor; mlx-vlm's own generation to compare with."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
from mlx_lm.utils import load_tokenizer

from shared.messages import Accepted, ChatMessage, Delta, Failed, Finished, Generate, Prompt, Sampling, TextDelta
from shared.spec import WorkerSpec
from tests.models import write_tokenizer
from tests.text_driver import Answer
from tests.vision_models import IMAGE, VIDEO, VOCAB, Case, Family
from workers.generation.job import PreparedGenerate
from workers.generation.loop import GenerationLoop
from workers.platform.engine_args import EngineArgs
from workers.platform.sampling import resolve
from workers.vision.engine import VisionEngine
from workers.vision.features import FeatureCache
from workers.vision.forward import VisionForward
from workers.vision.inputs import InputBuilder, MediaInputs

TOKENS = 8  # of every answer


@cache
def tokenizer() -> Any:
    with TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        return load_tokenizer(Path(folder))


class FixedPacer:
    """Chunks of one size, so that a test knows where prompts are cut."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk

    def budget(self, decoding: int) -> int:
        return self._chunk

    def observe(self, seconds: float, tokens: int) -> None:
        """Learns nothing."""

    def observe_alone(self, seconds: float, tokens: int) -> None:
        """Learns nothing."""


class Watched(VisionForward):
    """Notes what reaches the model."""

    def __init__(self, model: Any, features: FeatureCache) -> None:
        super().__init__(model, features)
        self.passes: list[tuple[str, int]] = []  # request or "", tokens
        self.encoded: list[str] = []  # requests whose media went through the encoder

    def encode(self, job: Any) -> bool:
        done = super().encode(job)
        if not done:
            self.encoded.append(job.request)
        return done

    def prefill(self, tokens: mx.array, caches: list[Any], job: Any) -> mx.array:
        self.passes.append(("" if job is None else job.request, tokens.shape[1]))
        return super().prefill(tokens, caches, job)


class VisionDriver:
    def __init__(
        self, family: Family, *, chunk: int | None = None, prefix_cache: int = 0, features: int = 0, max_batch: int = 8
    ) -> None:
        spec = WorkerSpec("tiny", 1, "", "tiny", max_batch=max_batch, prefix_cache=prefix_cache)
        self.features = FeatureCache(features)
        self.forward = Watched(family.model, self.features)
        self.loop = GenerationLoop(self.forward, tokenizer(), VOCAB, frozenset(), EngineArgs.from_spec(spec))
        self.loop.warm_up()
        if chunk is not None:
            self.loop._pacer = FixedPacer(chunk)  # type: ignore[assignment]
        self.forward.passes.clear()
        self.answers: dict[str, Answer] = {}

    def admit(self, request: str, case: Case, n: int = 1, **sampling: Any) -> None:
        """Greedy unless told otherwise."""
        wanted = Sampling(**({"temperature": 0.0, "max_tokens": TOKENS, "ignore_eos": True} | sampling))
        work = Generate(request, Prompt(tokens=tuple(case.tokens)), wanted, n, parse_reasoning=False)
        params = tuple(
            resolve(wanted, defaults={}, vocab_size=VOCAB, eos=frozenset(), room=4000, index=index)
            for index in range(n)
        )
        keys, media = _inputs(case)
        self.answers[request] = Answer()
        self._take(self.loop.admit(PreparedGenerate(work, list(case.tokens), params, keys, media)))

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self._take(self.loop.step())

    def drain(self) -> None:
        """Steps until nothing is left to do."""
        while self.loop.busy:
            self.step()

    def cancel(self, request: str) -> None:
        self._take(self.loop.cancel(request))

    def tokens(self, case: Case, request: str = "alone", **sampling: Any) -> list[int]:
        """The answer to a request that runs by itself."""
        self.admit(request, case, **sampling)
        self.drain()
        return self.answers[request].tokens[0]

    def _take(self, events: Sequence[Accepted | Delta]) -> None:
        for event in events:
            answer = self.answers[event.request]
            assert not answer.terminals, f"{event} came after the end"
            if isinstance(event, TextDelta):
                answer.tokens[event.choice].extend(event.tokens)
                answer.logprobs[event.choice].extend(event.logprobs)
            elif isinstance(event, Finished | Failed):
                answer.terminals.append(event)


class EngineDriver:
    """Drives a `VisionEngine` on a folder as the runtime does."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        self.engine = VisionEngine()
        self.ready = self.engine.load(WorkerSpec("tiny", 1, "", str(folder), **spec), lambda *_: None)
        self.answers: dict[str, Answer] = {}

    def prepare(self, messages: Sequence[ChatMessage], blobs: Sequence[bytes] = (), **rest: Any) -> PreparedGenerate:
        """Greedy, a few tokens; `rest` are the prompt's other fields."""
        sampling = Sampling(temperature=0.0, max_tokens=TOKENS, ignore_eos=True)
        work = Generate("it", Prompt(tuple(messages), **rest), sampling, parse_reasoning=False)
        prepared = self.engine.prepare(work, [memoryview(blob) for blob in blobs])
        assert isinstance(prepared, PreparedGenerate)
        return prepared

    def ask(self, messages: Sequence[ChatMessage], blobs: Sequence[bytes] = ()) -> Answer:
        """The answer to a request that runs by itself."""
        answer = Answer()
        events = list(self.engine.admit(self.prepare(messages, blobs)))
        while self.engine.busy:
            events.extend(self.engine.step())
        for event in events:
            if isinstance(event, TextDelta):
                answer.tokens[0].extend(event.tokens)
            elif isinstance(event, Finished | Failed):
                answer.terminals.append(event)
        return answer


def _inputs(case: Case) -> tuple[list[int] | None, MediaInputs | None]:
    if not case.media:
        return None, None
    builder = InputBuilder(None, frozenset({IMAGE, VIDEO}), {})
    runs = builder._runs(case.tokens, case.media)
    data = dict(case.data)
    return builder._keys(case.tokens, runs), MediaInputs(
        mx.array([case.tokens]), data.pop("pixel_values", None), data, runs
    )


def forget_positions(model: Any) -> None:
    """Of the last prompt, which mlx-vlm keeps on the module."""
    for name in ("_position_ids", "_rope_deltas"):
        if hasattr(model.language_model, name):
            setattr(model.language_model, name, None)


def library_tokens(model: Any, case: Case) -> list[int]:
    """What mlx-vlm itself generates for the prompt, alone."""
    generate = importlib.import_module("mlx_vlm.generate.ar")
    forget_positions(model)
    ids, data = mx.array([case.tokens]), dict(case.data)
    pixels = data.pop("pixel_values", None)
    steps = generate.generate_step(
        ids, model, pixels, mx.ones_like(ids), max_tokens=TOKENS, temperature=0.0, prefill_step_size=None, **data
    )
    return [int(token) for token, _ in steps]
