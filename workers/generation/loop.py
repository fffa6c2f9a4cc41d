"""The step loop of every engine that generates tokens: admit, launch the next model step, prefill a chunk, hand out
the step before. Owned by the engine thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from shared.logs import get_logger
from shared.messages import Accepted, ChoiceFinished, Delta, Failed, Finished, Stats
from workers.generation.batch import DecodeBatch
from workers.generation.detokenizer import Vocabulary
from workers.generation.formats import Formats
from workers.generation.forward import Forward
from workers.generation.grammar.binder import Binder
from workers.generation.grammar.check import EndCheck
from workers.generation.grammar.compile import GrammarCompiler
from workers.generation.grammar.masks import MaskBuffer
from workers.generation.job import Job, PreparedGenerate, Row
from workers.generation.layers import Group, Layers, RowState
from workers.generation.prefill import Prefill
from workers.generation.prefix_cache import PrefixCache
from workers.generation.probe import find_sharing
from workers.generation.schedule import Pacer
from workers.generation.sharing import ALONE, Way
from workers.platform.engine_args import EngineArgs

_log = get_logger("workers.generation")


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that preprocessing has answered already."""

    request: str
    deltas: tuple[Delta, ...]


class GenerationLoop:
    """Owns the batch, the prompts that wait and the prefix cache of one model."""

    def __init__(
        self, forward: Forward, tokenizer: Any, vocab_size: int, eos: frozenset[int], args: EngineArgs
    ) -> None:
        self._forward = forward
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._eos = eos
        self._max_rows = args.max_num_seqs
        self._vocab = Vocabulary(tokenizer)
        self.formats = Formats(tokenizer, self._vocab, eos, args.reasoning_parser, args.tool_call_parser)
        self._layers = Layers(forward.make_cache, forward.kv_type)
        self._cache: PrefixCache | None = None
        if args.enable_prefix_caching:
            self._cache = PrefixCache(args.prefix_cache_memory_bytes, checkpoints=not self._layers.all_kv)
        compiler = GrammarCompiler(tokenizer, vocab_size, eos)
        self.binder = Binder(tokenizer, self._vocab, self.formats, compiler, eos)
        masks = MaskBuffer(compiler.width or vocab_size)
        self.batch = DecodeBatch(forward, self._layers, self._vocab, vocab_size, eos, masks)
        self.prefill = Prefill(forward, self._layers, self._cache, eos)
        self._pacer = Pacer(args.max_num_batched_tokens)
        self.sharing = ALONE
        self.jobs: dict[str, Job] = {}
        self._echoes: list[Job] = []  # prefilled, with a prompt to give back
        self._ready: list[Job] = []  # prefilled, with rows that wait for a place
        self._steps = self._prompt_tokens = self._cached_tokens = self._generated = 0

    def warm_up(self) -> None:
        """Finds out what the model may share; compiles its first kernels."""
        self.sharing = found = find_sharing(self._forward, self._layers, self._vocab_size)
        _log.info("sharing", ways=", ".join(found.names) or "nothing", alone="; ".join(found.refusals) or "nothing")
        self.batch.sharing = found
        self.prefill.share(found)
        if Way.CHUNKS not in found:  # what a stored beginning leaves would be a chunk
            self._cache = None

    @property
    def capabilities(self) -> tuple[str, ...]:
        return self.formats.capabilities

    # ------------------------------------------------------------ requests
    def admit(self, prepared: PreparedGenerate | Answer) -> Sequence[Accepted | Delta]:
        if isinstance(prepared, Answer):
            return (Accepted(prepared.request), *prepared.deltas)
        work = prepared.work
        keys = prepared.tokens if prepared.keys is None else prepared.keys
        job = Job(work.request, prepared.tokens, keys, prepared.media, echo=prepared.echo)
        prompt_end = self.formats.prompt_end(work, job.tokens)
        for choice, params in enumerate(prepared.params):
            output = self.formats.output(work, choice, params, prompt_end)
            constraint = prepared.constraints[choice] if prepared.constraints else None
            check = None if prepared.checks is None else EndCheck(prepared.checks)
            job.rows.append(Row(job, params, output, constraint, check=check))
        job.waiting = list(job.rows)
        self.jobs[work.request] = job
        self.prefill.add(job)
        unbound = () if prepared.checks is None else tuple(sorted(prepared.checks.unbound))
        return (Accepted(work.request, len(job.tokens), job.cached, unbound),)

    def cancel(self, request: str) -> Sequence[Delta]:
        """Drops a request's rows; their places are free at the next step."""
        job = self.jobs.get(request)
        if job is None:
            return ()
        return (self._end(job, "cancelled", "the request was cancelled"),)

    def _end(self, job: Job, code: str, message: str, param: str | None = None) -> Failed:
        """Ends all rows of a request, wherever they are."""
        del self.jobs[job.request]
        job.ended = True
        for row in job.rows:
            row.ended = True
        self.prefill.remove(job)
        if job in self._ready:
            self._ready.remove(job)
        return Failed(job.request, code, message, param, job.usage)

    # ------------------------------------------------------------ a step
    def step(self) -> Sequence[Accepted | Delta]:
        began = time.perf_counter()
        decoding = self.batch.size
        self.batch.change(self._joining(), self._keep)
        previous = self.batch.launch()
        prefilled = self._prefill_chunk()
        deltas = self._refused() + self._echoed()
        if previous is not None:
            for row, token, logprob in self.batch.collect(previous):
                row.tokens.append(token)
                self._generated += 1
                deltas.extend(row.tell(row.output.push(token, logprob, self._produced(row, token))))
                if row.output.finished is not None:
                    row.ended = True
                    deltas.extend(self._finish(row.job))
        elif prefilled != 0:
            mx.synchronize()
        deltas.extend(self._broken())
        self._steps += 1
        if decoding and previous is not None and prefilled is not None:
            self._pacer.observe(time.perf_counter() - began, prefilled)
        elif prefilled and previous is None and not self.batch.size:
            self._pacer.observe_alone(time.perf_counter() - began, prefilled)
        return deltas

    def _joining(self) -> list[tuple[Row, RowState]]:
        """Rows that get a place in the batch now, first come first served."""
        free = self._max_rows - sum(not (row.ended or row.exhausted) for row in self.batch.rows)
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

    def _prefill_chunk(self) -> int | None:
        if not len(self.prefill):
            return 0
        done, tokens = self.prefill.step(self._pacer.budget(self.batch.size))
        for job in done:
            self._prompt_tokens += len(job.tokens)
            self._cached_tokens += job.cached
        self._ready.extend(job for job in done if job.echo is None or not job.echo.silent)
        self._echoes.extend(job for job in done if job.echo is not None)
        return tokens

    def _echoed(self) -> list[Delta]:
        """Prompts that are given back, and the ends of requests that want nothing else."""
        jobs, self._echoes = self._echoes, []
        deltas: list[Delta] = []
        for job in jobs:
            if job.echo is None or job.ended:
                continue
            deltas.append(job.echo.delta(job.request, job.tokens, self._vocab))
            if job.echo.silent:
                for choice, row in enumerate(job.rows):
                    row.ended = True
                    deltas.append(ChoiceFinished(job.request, choice, "length"))
                deltas.extend(self._finish(job))
        return deltas

    def _produced(self, row: Row, token: int) -> int:
        """The number of the row's newest token. Where only a grammar's end is left, `min_tokens` has been served."""
        ends = row.constraint is not None and row.constraint.matcher is not None and token in self._eos
        return max(len(row.tokens), row.params.min_tokens + 1) if ends else len(row.tokens)

    def _broken(self) -> list[Delta]:
        """The ends of requests with a row whose grammar can't be followed any more."""
        deltas: list[Delta] = []
        for row in self.batch.rows:
            error = row.constraint.error if row.constraint is not None and not row.ended else None
            if error is not None:
                deltas.append(self._end(row.job, error.code, error.message, error.param))
        return deltas

    def _refused(self) -> list[Delta]:
        """The ends of requests whose preparation on the device failed."""
        refused, self.prefill.refused = self.prefill.refused, []
        deltas: list[Delta] = []
        for job, error in refused:
            job.ended = True
            del self.jobs[job.request]
            deltas.append(Failed(job.request, error.code, error.message, error.param, job.usage))
        return deltas

    def _keep(self, row: Row, group: Group, place: int) -> None:
        """A row leaves: what it has computed becomes a beginning for later prompts."""
        if row.constraint is not None and row.ended:
            self.binder.learn(row.constraint)
        if self._cache is None:
            return
        known = [*row.job.keys, *row.tokens]
        length = min(group.columns.length(place), len(known))
        checkpoint = None
        if not self._layers.all_kv and length == group.columns.length(place):
            checkpoint = lambda: group.others(place)  # noqa: E731
        self._cache.insert(known[:length], lambda start, end: group.read(place, start, end), checkpoint)

    def _finish(self, job: Job) -> list[Delta]:
        if job.ended or not all(row.ended for row in job.rows):
            return []
        job.ended = True
        del self.jobs[job.request]
        return [Finished(job.request, job.usage)]

    # ------------------------------------------------------------ facts and the end
    @property
    def busy(self) -> bool:
        return bool(self.jobs) or self.batch.pending or self.batch.size > 0

    def stats(self) -> Stats:
        return Stats(
            steps=self._steps,
            running=sum(not row.ended for row in self.batch.rows),
            waiting=len(self.prefill) + len(self._ready),
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            generated_tokens=self._generated,
            cache_bytes=self.batch.nbytes + (self._cache.nbytes if self._cache else 0),
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
        )

    def trim(self, keep_bytes: int) -> None:
        if self._cache is not None:
            self._cache.shrink(keep_bytes)
        mx.clear_cache()

    def close(self) -> None:
        mx.synchronize()
        if self._cache is not None:
            self._cache.clear()
        mx.clear_cache()
