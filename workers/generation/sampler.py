"""One sampler call a step for the whole batch: every parameter is an array over the rows.

Order as in vLLM: bias and penalties on the logits, then temperature, min-p, top-k, top-p, then a draw. A mask of the
tokens that a row's grammar admits comes after the bias and wins over it. The draw is the
inverse of the cumulative distribution at one uniform number a row, from a key made of the row's seed and the number of
its token: a row's tokens don't depend on who shares the batch. Logits are [rows, vocabulary].

A batch pays only for what its rows ask for: without top-k and top-p nothing is sorted, a greedy batch is one argmax.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

from workers.generation.grammar.masks import admitted
from workers.platform.sampling import SamplingParams

_LEAST_TEMPERATURE = 1e-5  # vLLM's; below it float32 overflows, and the draw is greedy long before
_U_MAX = 1 - 2.0**-22  # a uniform number times the total must stay below the total in float32


@dataclass(frozen=True, slots=True)
class Draw:
    """What a step sampled: tokens [rows]; chosen and best log-probabilities where a row asked for them."""

    tokens: mx.array
    chosen: mx.array | None = None  # [rows]
    top_tokens: mx.array | None = None  # [rows, most alternatives asked for]
    top_logprobs: mx.array | None = None

    @property
    def arrays(self) -> list[mx.array]:
        return [a for a in (self.tokens, self.chosen, self.top_tokens, self.top_logprobs) if a is not None]


def _column(values: Sequence[float], dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.array(list(values), dtype=dtype)[:, None]


class RowSampler:
    """The parameters of the rows of one batch, in row order; rebuilt when rows join or leave, never in between."""

    def __init__(self, params: Sequence[SamplingParams], vocab_size: int, eos: frozenset[int]) -> None:
        self._params = tuple(params)
        self._vocab = vocab_size
        self._greedy = [p.greedy for p in params]
        self._all_greedy = all(self._greedy)
        self._temperature = _column([1.0 if p.greedy else max(p.temperature, _LEAST_TEMPERATURE) for p in params])
        self._top_k = _column([p.top_k or vocab_size for p in params], mx.int32)
        self._top_p = _column([p.top_p if p.top_p < 1 else math.inf for p in params])  # 1 keeps all, whatever rounds
        self._min_p = _column([max(p.min_p, 1e-30) for p in params])
        drawn = [p for p in params if not p.greedy]
        self._sorts = any(p.top_k or p.top_p < 1 for p in drawn)
        self._floors = any(p.min_p > 0 for p in drawn)
        self._seeds = [(p.seed & 0xFFFFFFFF, p.seed >> 32 & 0xFFFFFFFF) for p in params]
        self._bias = self._dense_bias(eos=None)
        self._min_tokens = [p.min_tokens for p in params]
        self._no_eos = self._dense_bias(eos=eos) if any(self._min_tokens) else None
        self._rules_out = any(p.min_tokens or p.allowed_token_ids for p in params)
        self._penalised = any(p.penalised for p in params)
        self._presence = _column([p.presence_penalty for p in params])
        self._frequency = _column([p.frequency_penalty for p in params])
        self._repetition = _column([p.repetition_penalty for p in params])
        self._alternatives = max((p.logprobs for p in params if p.logprobs is not None), default=None)

    @property
    def penalised(self) -> bool:
        """Whether `sample` needs the token counts."""
        return self._penalised

    def sample(
        self, logits: mx.array, steps: Sequence[int], counts: TokenCounts | None, masks: mx.array | None = None
    ) -> Draw:
        """Draws one token a row. `steps` is each row's token number, `counts` what its penalties look at.

        `masks`: bits of the tokens that may be drawn, as `MaskBuffer` fills them.
        """
        logits = logits.astype(mx.float32)
        adjusted = self._adjust(logits, steps, counts)
        if masks is not None:
            adjusted = self._bound(adjusted, logits, masks)
        tokens = self._pick(adjusted, steps)
        return Draw(tokens, *self._logprobs(logits, tokens))

    def _adjust(self, logits: mx.array, steps: Sequence[int], counts: TokenCounts | None) -> mx.array:
        if self._bias is not None:
            logits = logits + self._bias
        if self._penalised and counts is not None:
            seen = counts.prompt | (counts.output > 0)
            scaled = mx.where(logits > 0, logits / self._repetition, logits * self._repetition)
            logits = mx.where(seen, scaled, logits)
            logits = logits - self._frequency * counts.output - self._presence * (counts.output > 0)
        if self._no_eos is not None:
            early = [done < least for done, least in zip(steps, self._min_tokens, strict=True)]
            if any(early):
                logits = mx.where(_column(early, mx.bool_), logits + self._no_eos, logits)
        return logits

    def _bound(self, adjusted: mx.array, logits: mx.array, masks: mx.array) -> mx.array:
        """The grammar's tokens; where the request rules them all out (min_tokens, allowed_token_ids), they stay in."""
        allowed = admitted(masks, self._vocab)
        bound = mx.where(allowed, adjusted, -mx.inf)
        if self._rules_out:
            nothing = bound.max(axis=-1, keepdims=True) == -mx.inf
            bound = mx.where(nothing, mx.where(allowed, logits, -mx.inf), bound)
        return bound

    def _pick(self, logits: mx.array, steps: Sequence[int]) -> mx.array:
        if self._all_greedy:
            return mx.argmax(logits, axis=-1)
        scaled = logits / self._temperature
        best = scaled.max(axis=-1, keepdims=True)
        weights = mx.exp(scaled - best)
        if self._sorts:
            weights = mx.where(weights >= self._threshold(weights), weights, 0)
        elif self._floors:
            weights = mx.where(weights >= self._min_p, weights, 0)
        mass = mx.cumsum(weights, axis=-1)
        target = self._uniform(steps) * mass[:, -1:]
        drawn = mx.minimum((mass <= target).sum(axis=-1), self._vocab - 1).astype(mx.uint32)
        # A parallel sum may round so that it falls: never hand out a token that was ruled out.
        outside = mx.take_along_axis(weights, drawn[:, None], axis=-1)[:, 0] == 0
        return mx.where(mx.array(self._greedy) | outside, mx.argmax(logits, axis=-1), drawn)

    def _threshold(self, weights: mx.array) -> mx.array:
        """The smallest weight that min-p, top-k and top-p all keep, [rows, 1]."""
        ordered = mx.sort(weights, axis=-1)[:, ::-1]
        rank = mx.arange(self._vocab)[None]
        keep = (rank < self._top_k) & (ordered >= self._min_p)
        within = mx.where(keep, ordered, 0)
        before = mx.cumsum(within, axis=-1) - within
        keep = (keep & (before < self._top_p * within.sum(axis=-1, keepdims=True))) | (rank == 0)
        return mx.where(keep, ordered, 1.0).min(axis=-1, keepdims=True)

    def _uniform(self, steps: Sequence[int]) -> mx.array:
        """One number in [0, 1) a row, [rows, 1], from (seed, token number)."""
        keys = [
            (low ^ (step * 0x9E3779B9 & 0xFFFFFFFF), high) for (low, high), step in zip(self._seeds, steps, strict=True)
        ]
        drawn = mx.vmap(lambda key: mx.random.uniform(shape=(1,), key=key))(mx.array(keys, dtype=mx.uint32))
        return mx.minimum(drawn, _U_MAX)

    def _logprobs(self, logits: mx.array, tokens: mx.array) -> tuple[mx.array | None, mx.array | None, mx.array | None]:
        if self._alternatives is None:
            return None, None, None
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        chosen = mx.take_along_axis(logprobs, tokens[:, None], axis=-1)[:, 0]
        if not self._alternatives:
            return chosen, None, None
        top = mx.argpartition(-logprobs, kth=self._alternatives - 1, axis=-1)[:, : self._alternatives]
        return chosen, top, mx.take_along_axis(logprobs, top, axis=-1)

    def _dense_bias(self, eos: frozenset[int] | None) -> mx.array | None:
        """[rows, vocabulary] of logit_bias and allowed_token_ids, or of the ids that may not end a row yet."""
        rows = []
        for p in self._params:
            row = mx.zeros((self._vocab,))
            if eos is not None:
                ends = [t for t in eos | p.stop_token_ids if t < self._vocab]
                if ends:
                    row[mx.array(ends)] = -mx.inf
            else:
                if p.allowed_token_ids:
                    row = mx.full((self._vocab,), -mx.inf)
                    row[mx.array(p.allowed_token_ids)] = 0.0
                if p.logit_bias:
                    ids, values = zip(*p.logit_bias, strict=True)
                    row[mx.array(ids)] = row[mx.array(ids)] + mx.array(values)
            rows.append(row)
        if eos is None and not any(p.allowed_token_ids or p.logit_bias for p in self._params):
            return None
        return mx.stack(rows)


class TokenCounts:
    """How often each row has produced each token, and which tokens its prompt holds; lives on the device."""

    def __init__(self, prompt: mx.array, output: mx.array) -> None:
        self.prompt = prompt  # bool [rows, vocabulary]
        self.output = output  # float32 [rows, vocabulary]

    @classmethod
    def of(cls, prompts: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], vocab: int) -> TokenCounts:
        """Counts for rows that carry `prompts` and have produced `outputs` so far."""
        prompt = mx.zeros((len(prompts), vocab), dtype=mx.bool_)
        output = mx.zeros((len(prompts), vocab))
        for row, (before, after) in enumerate(zip(prompts, outputs, strict=True)):
            if before:
                prompt[row, mx.array(sorted(set(before)))] = True
            if after:
                output = output.at[row, mx.array(list(after))].add(1.0)
        return cls(prompt, output)

    def add(self, tokens: mx.array) -> None:
        """Counts the tokens [rows] of a step."""
        self.output = self.output.at[mx.arange(tokens.shape[0]), tokens].add(1.0)
