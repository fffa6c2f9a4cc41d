"""The embedding and rerank engines: one batching loop over the inputs of all open requests.

A step plans, runs one batch, hands out what is complete. Steps are sized to a fifth of a second, so that cancels and
short requests get through between them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np

from shared.errors import InternalError, InvalidRequest, WrongModality
from shared.messages import (
    Accepted,
    Delta,
    Embed,
    Failed,
    Finished,
    Kind,
    Ready,
    Rerank,
    Stats,
    Work,
)
from shared.spec import WorkerSpec
from workers.embedding import answers, crossencoder
from workers.embedding.batch import Batch, collate
from workers.embedding.families import family, normalised, pooled
from workers.embedding.folder import Pooling, read_pooling, read_prompts
from workers.embedding.inputs import Inputs
from workers.embedding.job import Item, Job, Rows
from workers.embedding.loader import Loaded, load, read_config
from workers.embedding.probe import pads_well, rows_for
from workers.embedding.schedule import Pacer, plan, rounded_width
from workers.engine import Progress
from workers.failures import failed
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs

_STEP_TOKENS = 8192  # at most, padding counted
_STEP_TOKENS_CPU = 2048


class BatchEngine(ABC):
    """Owns the model and the requests; what differs is how a batch is run and what a request asks."""

    preprocess_threads = 2  # a request with thousands of inputs to tokenise doesn't hold up the next one
    kind: Kind
    capabilities: tuple[str, ...]

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        progress("load", None, "weights")
        self._args = args = EngineArgs.from_spec(spec)
        self._loaded = loaded = self._load_model(Path(args.model), args)
        self._context = args.context(loaded.context)
        self._inputs = Inputs(loaded.tokenizer, loaded.vocab_size, self._context, self._closing_token())
        self._jobs: dict[str, Job] = {}
        self._steps = self._prompt_tokens = 0
        device = read_device()
        self._gpu = device.backend != "cpu"
        self._pacer = Pacer(_STEP_TOKENS if self._gpu else _STEP_TOKENS_CPU)
        self._warm_up(progress)
        return Ready(
            kind=self.kind,
            max_inflight=args.max_inflight,
            context=self._context,
            device=device.label,
            capabilities=self.capabilities,
            dimensions=self._width if self.kind == "embedding" else 0,
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
        )

    def _warm_up(self, progress: Progress) -> None:
        progress("warm-up", 0.0, "")
        items = rows_for(self._loaded.vocab_size, self._context)
        self._width = self._rows(items[:1], len(items[0].tokens)).shape[1]
        self._ragged = pads_well(self._rows, items, self._loaded.exact)
        progress("warm-up", 1.0, "")

    # ------------------------------------------------------------ what the engines differ in
    @abstractmethod
    def _load_model(self, folder: Path, args: EngineArgs) -> Loaded: ...

    def _closing_token(self) -> int | None:
        return None

    @abstractmethod
    def _run(self, batch: Batch) -> mx.array:
        """[rows, width], float32."""

    @abstractmethod
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> Job: ...

    # ------------------------------------------------------------ engine thread
    def admit(self, prepared: Job) -> Sequence[Accepted | Delta]:
        prepared.served = self._steps
        self._jobs[prepared.request] = prepared
        return (Accepted(prepared.request, prepared.tokens),)

    def step(self) -> Sequence[Accepted | Delta]:
        jobs = list(self._jobs.values())
        takes = plan(
            [job.queue() for job in jobs],
            self._pacer.budget,
            self._steps,
            ragged=self._ragged,
            width=self._padded_width,
        )
        self._steps += 1
        taken = [(jobs[take.queue], jobs[take.queue].take(take.start, take.stop)) for take in takes]
        items = [job.items[position] for job, positions in taken for position in positions]
        if not items:
            return ()
        width = self._padded_width(max(len(item.tokens) for item in items))
        began = time.perf_counter()
        rows = self._rows(items, width)
        self._pacer.observe(time.perf_counter() - began, width * len(items))
        deltas: list[Delta] = []
        start = 0
        for job, positions in taken:
            job.fill(positions, rows[start : start + len(positions)])
            job.served = self._steps
            start += len(positions)
            if not job.waiting:
                deltas.extend(self._finish(job))
        self._prompt_tokens += sum(len(item.tokens) for item in items)
        return deltas

    def _padded_width(self, length: int) -> int:
        return rounded_width(length, self._context) if self._gpu and self._ragged else length

    def _rows(self, items: Sequence[Item], width: int) -> Rows:
        return np.array(self._run(collate(items, width, self._loaded.pad)), np.float32)

    def _finish(self, job: Job) -> Sequence[Delta]:
        del self._jobs[job.request]
        if job.rows is None or not np.isfinite(job.rows).all():
            return (failed(job.request, InternalError("the model's numbers overflowed on this input"), job.usage),)
        return (job.answer(job.rows), Finished(job.request, job.usage))

    def cancel(self, request: str) -> Sequence[Delta]:
        job = self._jobs.pop(request, None)
        return () if job is None else (Failed(request, "cancelled", "the request was cancelled", usage=job.usage),)

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    def stats(self) -> Stats:
        running = sum(bool(job.done) for job in self._jobs.values())
        return Stats(
            steps=self._steps,
            running=running,
            waiting=len(self._jobs) - running,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=0,
            generated_tokens=0,
            cache_bytes=0,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
        )

    def trim(self, keep_bytes: int) -> None:
        mx.clear_cache()  # nothing of past requests is kept

    def close(self) -> None:
        self._jobs.clear()
        mx.clear_cache()


class EmbeddingEngine(BatchEngine):
    """Vectors of texts; it ranks documents too, by how close their vectors are to the query's."""

    kind: Kind = "embedding"
    capabilities = ("embed", "rerank")

    def _load_model(self, folder: Path, args: EngineArgs) -> Loaded:
        config = read_config(folder)
        self._family = family(config["model_type"])
        self._pooling = read_pooling(folder, self._family.pooling)
        self._prompts = read_prompts(folder)
        return load(folder, config, trust_remote_code=args.trust_remote_code)

    def _closing_token(self) -> int | None:
        return self._loaded.eos if self._pooling is Pooling.LAST else None

    def _run(self, batch: Batch) -> mx.array:
        vectors = pooled(self._family.hidden(self._loaded.model, batch), batch, self._pooling)
        for layer in getattr(self._loaded.model, "dense", ()):  # EmbeddingGemma's
            vectors = layer(vectors).astype(mx.float32)
        return normalised(vectors)

    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> Job:
        match work:
            case Embed():
                size = answers.check_dimensions(work.dimensions, self._width)
                items = self._inputs.read(work.inputs, self._prompts.default)
                return Job(work.request, items, lambda rows: answers.vectors(work.request, rows, size))
            case Rerank():
                check_rerank(work)
                query = self._inputs.read_text(work.query, "query", self._prompts.query)
                documents = self._inputs.texts(work.documents, "documents", self._prompts.document)
                return Job(work.request, [query, *documents], lambda rows: answers.similarity(work.request, rows))
            case _:
                raise WrongModality("this model embeds text and ranks documents; it can't do that", param="model")


class RerankEngine(BatchEngine):
    """Relevance of documents by a cross-encoder."""

    kind: Kind = "reranker"
    capabilities = ("rerank",)

    def _load_model(self, folder: Path, args: EngineArgs) -> Loaded:
        config = read_config(folder)
        self._head = head = crossencoder.head_of(config)
        loaded = load(folder, config, trust_remote_code=args.trust_remote_code, classes=head.classes)
        crossencoder.settle(loaded.model, loaded.tokenizer)
        return loaded

    def _run(self, batch: Batch) -> mx.array:
        return crossencoder.relevance(self._loaded.model.logits(batch))

    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> Job:
        if not isinstance(work, Rerank):
            raise WrongModality("this model ranks documents; it can't do that", param="model")
        check_rerank(work)
        items = self._head.items(self._inputs, self._loaded.tokenizer, work.query, work.documents)
        return Job(work.request, items, lambda rows: answers.scores(work.request, rows))


def check_rerank(work: Rerank) -> None:
    """Raises InvalidRequest for a request that ranks nothing."""
    if not work.query:
        raise InvalidRequest("query is empty", param="query")
    if not work.documents:
        raise InvalidRequest("documents is empty", param="documents")
