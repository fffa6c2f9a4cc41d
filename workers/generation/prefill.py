"""Prompts on their way into the batch: resumed from the prefix cache, computed in chunks between decode steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from shared.errors import RequestError
from workers.generation.forward import Forward
from workers.generation.job import Job
from workers.generation.kv import Columns, RowsCache
from workers.generation.layers import Layers, RowState
from workers.generation.prefix_cache import NO_MATCH, PrefixCache, Span
from workers.generation.schedule import Chunk, plan_prefill
from workers.generation.sharing import ALONE, Sharing, Way


class Prefill:
    """Owns the prompts that wait.

    `turn_ends`: tokens that end a turn of a chat. A model whose layers can't be cut at any token gets checkpoints
    behind the first and the last of them, so that another question under the same system prompt, or after the same
    turns, finds one.
    """

    def __init__(
        self, forward: Forward, layers: Layers, cache: PrefixCache | None, turn_ends: frozenset[int] = frozenset()
    ) -> None:
        self._forward = forward
        self._layers = layers
        self._cache = cache
        self._turn_ends = frozenset() if layers.all_kv or cache is None else turn_ends
        self._jobs: list[Job] = []
        self._turn = 0
        self._seen = 0  # inserts of the cache when the waiting prompts were last matched
        self._sharing = ALONE
        self.refused: list[tuple[Job, RequestError]] = []  # for the loop to end

    def __len__(self) -> int:
        return len(self._jobs)

    def share(self, sharing: Sharing) -> None:
        """What was found out about the model; before the first prompt."""
        self._sharing = sharing
        if Way.CHUNKS not in sharing:
            self._cache, self._turn_ends = None, frozenset()

    def add(self, job: Job) -> None:
        job.whole |= Way.CHUNKS not in self._sharing
        self._jobs.append(job)
        self.match(job)

    def match(self, job: Job) -> None:
        """Takes the longest stored beginning of a prompt that has not started."""
        if self._cache is None or job.scored is not None:  # a token that isn't computed has no score
            return
        match = self._cache.match(job.keys, len(job.keys) - 1)
        if match.length > job.match.length and self._forward.usable(job, match.length) == match.length:
            job.match = match
            job.cached = job.prefilled = match.length

    def remove(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        job.caches = None

    def step(self, budget: int) -> tuple[list[Job], int | None]:
        """Starts the next chunks on the device; returns the prompts that are complete now, and the tokens computed.

        None: it encoded media instead.
        """
        if self._cache is not None and self._cache.inserts != self._seen:
            self._seen = self._cache.inserts
            for job in self._jobs:
                if job.caches is None:
                    self.match(job)
        self._turn += 1
        sizes = [job.remaining for job in self._jobs]
        together = [Way.PREFILL in self._sharing and job.media is None and job.scored is None for job in self._jobs]
        chunks = plan_prefill(sizes, budget, self._turn, together)
        jobs = [(self._jobs[chunk.index], chunk) for chunk in chunks]
        if not all(self._encoded(job) for job, _ in jobs):
            return [], None  # a step of its own: rows that decode wait for one piece only
        several = [job for job, chunk in jobs if chunk.tokens] if len(jobs) > 1 else []
        if len(several) > 1:
            self._run_together(several)
        longer = sum(self._run(job, chunk) for job, chunk in jobs if job.state is None)
        done = [job for job, _ in jobs if job.state is not None]
        for job in done:
            self._jobs.remove(job)
            self._store(job, job.state)
            job.match = NO_MATCH  # lets go of its arrays
        return done, longer + sum(chunk.tokens for chunk in chunks)

    def _encoded(self, job: Job) -> bool:
        try:
            return self._forward.encode(job)
        except RequestError as error:
            self.refused.append((job, error))
            self._jobs.remove(job)
            return False

    def _run(self, job: Job, chunk: Chunk) -> int:
        """Returns how many tokens more than the chunk's were computed, because a prompt is cut elsewhere or nowhere."""
        longer = 0
        if job.caches is None:
            job.caches = self._layers.single(job.match)
        if chunk.tokens:
            end = len(job.tokens) - 1 if job.whole else self._cut(job, job.prefilled + chunk.tokens)
            tokens = job.tokens[job.prefilled : end]
            longer = len(tokens) - chunk.tokens
            logits = self._forward.prefill(mx.array(tokens)[None], job.caches, job)
            if job.scored is not None:
                job.scored.add(logits, job.tokens[job.prefilled + 1 : end + 1])
            mx.async_eval([cache.state for cache in job.caches])
            job.prefilled = end
        if job.remaining and job.prefilled in self._checkpoints(job):
            self._store(job, self._layers.state(job.caches, job.prefilled))
        if not job.remaining:
            job.state = self._layers.state(job.caches, job.prefilled)
            job.caches = None
        return longer

    def _run_together(self, jobs: Sequence[Job]) -> None:
        """One pass over the rest of several prompts, padded on the right; padding is cut off afterwards."""
        known = max(job.prefilled for job in jobs)
        columns = Columns(known, [known - job.prefilled for job in jobs])
        caches = [RowsCache(columns) for _ in self._layers.is_kv]
        for row, job in enumerate(jobs):
            for cache, kv in zip(caches, self._known(job), strict=False):
                cache.write(row, kv, known)
        width = max(job.remaining for job in jobs)
        rests = [job.tokens[job.prefilled : -1] for job in jobs]
        if width:
            self._forward.prefill(mx.array([rest + [0] * (width - len(rest)) for rest in rests]), caches, None)
            mx.async_eval([cache.state for cache in caches])
        for row, (job, rest) in enumerate(zip(jobs, rests, strict=True)):
            start, end = columns.left[row], known + len(rest)
            job.state = RowState(end - start, [cache.read(row, start, end) for cache in caches], [])
            job.prefilled += len(rest)
            job.caches = None

    def _known(self, job: Job) -> Span:
        """What a job has computed or resumed so far."""
        if job.caches is not None:
            return self._layers.state(job.caches, job.prefilled).span
        return job.match.span

    def _cut(self, job: Job, end: int) -> int:
        """Where the chunk that would go on to `end` stops."""
        return min((at for at in self._checkpoints(job) if job.prefilled < at < end), default=end)

    def _checkpoints(self, job: Job) -> tuple[int, ...]:
        if not self._turn_ends:
            return ()
        ends = [at for at, token in enumerate(job.tokens, 1) if token in self._turn_ends]
        return (ends[0], ends[-1]) if ends else ()

    def _store(self, job: Job, state: RowState | None) -> None:
        if self._cache is None or state is None or not state.length:
            return
        self._cache.insert(job.keys[: state.length], _reader(state.span), _checkpoint(self._layers, state))


def _reader(span: Span) -> Callable[[int, int], Span]:
    return lambda start, end: [(keys[:, :, start:end], values[:, :, start:end]) for keys, values in span]


def _checkpoint(layers: Layers, state: RowState) -> Callable[[], list[Any]] | None:
    return None if layers.all_kv else lambda: copy.deepcopy(state.others)
