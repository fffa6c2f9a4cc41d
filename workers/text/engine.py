"""The LLM engine: a step admits, launches the next model step, prefills a chunk and hands out the step before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from shared.errors import InvalidRequest, WrongModality
from shared.messages import (
    Accepted,
    Count,
    Delta,
    Detokenize,
    Failed,
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
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.platform.sampling import defaults_from_generation_config, resolve
from workers.text import prompt
from workers.text.batch import DecodeBatch
from workers.text.detokenizer import Vocabulary
from workers.text.job import Job, PreparedGenerate, Row
from workers.text.layers import Group, Layers, RowState
from workers.text.loader import load
from workers.text.output import RowOutput
from workers.text.prefill import Prefill
from workers.text.prefix_cache import PrefixCache
from workers.text.probe import Probe
from workers.text.schedule import Pacer
from workers.text.segments import Segments
from workers.text.tools import ToolParser


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that preprocessing has answered already."""

    request: str
    deltas: tuple[Delta, ...]


class TextEngine:
    """Owns the model, the batch, the prompts that wait and the prefix cache."""

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        progress("load", None, "weights")
        self._args = args = EngineArgs.from_spec(spec)
        self._loaded = loaded = load(Path(args.model), args)
        defaults = defaults_from_generation_config(loaded.generation_config)
        self._defaults = defaults | dict(args.override_generation_config)
        self._vocab = Vocabulary(loaded.tokenizer)
        self._segments = Segments(loaded.tokenizer, args.reasoning_parser != "none", args.tool_call_parser != "none")
        layers = Layers(loaded.model)
        cache: PrefixCache | None = None
        if args.enable_prefix_caching:
            cache = PrefixCache(args.prefix_cache_memory_bytes, checkpoints=not layers.all_kv)
        self._cache = cache
        self._batch = DecodeBatch(loaded.model, layers, self._vocab, loaded.vocab_size, loaded.eos)
        self._prefill = Prefill(loaded.model, layers, cache)
        self._pacer = Pacer(args.max_num_batched_tokens)
        self._jobs: dict[str, Job] = {}
        self._ready: list[Job] = []  # prefilled, with rows that wait for a place
        self._steps = self._prompt_tokens = self._cached_tokens = self._generated = 0
        self._warm_up(layers, progress)
        return Ready(
            kind="llm",
            max_inflight=args.max_inflight,
            context=loaded.context,
            device=read_device().label,
            capabilities=self._capabilities(),
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
        )

    def _capabilities(self) -> tuple[str, ...]:
        found = [
            name for name, has in (("reasoning", self._segments.reasoning), ("tools", self._segments.tools)) if has
        ]
        return tuple(found)

    def _warm_up(self, layers: Layers, progress: Progress) -> None:
        """Finds out what the model may share and compiles the widths that will be used."""
        progress("warm-up", 0.0, "")
        probe = Probe(self._loaded.model, layers, self._loaded.vocab_size)
        self._batch.solo = not probe.batch()
        self._batch.fused = not self._batch.solo and probe.fused()
        self._prefill.together = not self._batch.solo and probe.together()
        progress("warm-up", 1.0, "")

    # ------------------------------------------------------------ preprocessing thread
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedGenerate | Answer:
        match work:
            case Generate():
                return self._prepare_generate(work)
            case Count():
                tokens = prompt.tokenize(work.prompt, self._loaded.tokenizer, self._loaded.vocab_size)
                return Answer(
                    work.request,
                    (Tokens(work.request, tuple(tokens), self._loaded.context), Finished(work.request)),
                )
            case Detokenize():
                return self._detokenize(work)
            case _:
                raise WrongModality("this model generates text; it can't do that", param="model")

    def _prepare_generate(self, work: Generate) -> PreparedGenerate:
        loaded = self._loaded
        if work.prompt.tools and not self._segments.tools:
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
        if isinstance(prepared, Answer):
            return (Accepted(prepared.request), *prepared.deltas)
        work = prepared.work
        job = Job(work.request, prepared.tokens)
        machine = self._segments.machine(work.parse_reasoning, work.parse_tools and bool(work.prompt.tools))
        tools = ToolParser(self._loaded.tokenizer, work.prompt.tools) if work.prompt.tools else None
        fresh = not work.prompt.continue_final_message and bool(work.prompt.messages)
        for choice, params in enumerate(prepared.params):
            detokenizer = self._vocab.detokenizer(skip_special=params.skip_special_tokens, first=fresh)
            state = self._segments.state(machine, job.tokens)
            output = RowOutput(work.request, choice, params, detokenizer, machine, state, tools, self._loaded.eos)
            job.rows.append(Row(job, params, output))
        job.waiting = list(job.rows)
        self._jobs[work.request] = job
        self._prefill.add(job)
        return (Accepted(work.request, len(job.tokens), job.cached),)

    def step(self) -> Sequence[Accepted | Delta]:
        began = time.perf_counter()
        decoding = self._batch.size
        self._batch.change(self._joining(), self._keep)
        previous = self._batch.launch()
        prefilled = self._prefill_chunk()
        deltas: list[Delta] = []
        if previous is not None:
            for row, token, logprob in self._batch.collect(previous):
                row.tokens.append(token)
                self._generated += 1
                deltas.extend(row.output.push(token, logprob, len(row.tokens)))
                if row.output.finished is not None:
                    row.ended = True
                    deltas.extend(self._finish(row.job))
        elif prefilled:
            mx.synchronize()
        self._steps += 1
        if decoding and previous is not None:
            self._pacer.observe(time.perf_counter() - began, prefilled)
        return deltas

    def _joining(self) -> list[tuple[Row, RowState]]:
        """Rows that get a place in the batch now, first come first served."""
        free = self._args.max_num_seqs - sum(not (row.ended or row.exhausted) for row in self._batch.rows)
        joining: list[tuple[Row, RowState]] = []
        while free > 0 and self._ready:
            job = self._ready[0]
            row = job.waiting.pop(0)
            if not job.waiting:
                self._ready.pop(0)
            if not row.ended and job.state is not None:
                joining.append((row, job.state))
                free -= 1
        for job in {id(row.job): row.job for row, _ in joining}.values():
            if not job.waiting:
                job.state = None
        return joining

    def _prefill_chunk(self) -> int:
        if not len(self._prefill):
            return 0
        done, tokens = self._prefill.step(self._pacer.budget(self._batch.size))
        for job in done:
            self._prompt_tokens += len(job.tokens)
            self._cached_tokens += job.cached
        self._ready.extend(done)
        return tokens

    def _keep(self, row: Row, group: Group, place: int) -> None:
        """A row leaves: what it has computed becomes a beginning for later prompts."""
        if self._cache is None:
            return
        known = [*row.job.tokens, *row.tokens]
        length = min(group.columns.length(place), len(known))
        checkpoint = None
        if not self._batch.all_kv and length == group.columns.length(place):
            checkpoint = lambda: group.others(place)  # noqa: E731
        self._cache.insert(known[:length], lambda start, end: group.read(place, start, end), checkpoint)

    def _finish(self, job: Job) -> list[Delta]:
        if job.ended or not all(row.ended for row in job.rows):
            return []
        job.ended = True
        del self._jobs[job.request]
        return [Finished(job.request, job.usage)]

    def cancel(self, request: str) -> Sequence[Delta]:
        job = self._jobs.pop(request, None)
        if job is None:
            return ()
        job.ended = True
        for row in job.rows:
            row.ended = True
        self._prefill.remove(job)
        if job in self._ready:
            self._ready.remove(job)
        return (Failed(request, "cancelled", "the request was cancelled", usage=job.usage),)

    @property
    def busy(self) -> bool:
        return bool(self._jobs) or self._batch.pending or self._batch.size > 0

    def stats(self) -> Stats:
        return Stats(
            steps=self._steps,
            running=sum(not row.ended for row in self._batch.rows),
            waiting=len(self._prefill) + len(self._ready),
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            generated_tokens=self._generated,
            cache_bytes=self._batch.nbytes + (self._cache.nbytes if self._cache else 0),
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
        )

    def close(self) -> None:
        mx.synchronize()
        if self._cache is not None:
            self._cache.clear()
        mx.clear_cache()
