"""The running batch: rows join and leave between steps, every step is one pass of the model and one sampler call.

Two steps are in flight: while the device computes step n + 1, the host reads and sends the tokens of step n. A row that
turns out to have ended in step n has then taken part in step n + 1 for nothing; its place is free before step n + 2.

Where a row is bound by a grammar, the host needs the tokens of step n before the draw of step n + 1: the model's pass
is started first, and the masks are made while the device computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from shared.messages import Alternative, TokenLogprob
from workers.generation.detokenizer import Vocabulary
from workers.generation.forward import Forward
from workers.generation.grammar.masks import MaskBuffer
from workers.generation.job import Row
from workers.generation.kv import GroupedCache
from workers.generation.layers import Group, Layers, RowState
from workers.generation.sampler import Draw, RowSampler, TokenCounts
from workers.generation.schedule import choose_group
from workers.generation.sharing import ALONE, Way

EVALUATE_EVERY = 64  # steps; recurrent states grow a graph otherwise (mlx "Resource limit (499000)")


@dataclass(frozen=True, slots=True)
class _InFlight:
    rows: tuple[Row, ...]
    draw: Draw


class DecodeBatch:
    """Owns the rows' places, their caches and the sampler."""

    def __init__(
        self,
        forward: Forward,
        layers: Layers,
        vocab: Vocabulary,
        vocab_size: int,
        eos: frozenset[int],
        masks: MaskBuffer,
    ) -> None:
        self._forward = forward
        self._layers = layers
        self._vocab = vocab
        self._vocab_size = vocab_size
        self._eos = eos
        self._masks = masks
        self.sharing = ALONE
        self._groups: list[Group] = []
        self._members: list[list[Row]] = []  # rows of each group, in the order of its cache
        self._tokens: mx.array | None = None  # input of the next step, [rows]
        self._sampler: RowSampler | None = None
        self._counts: TokenCounts | None = None
        self._in_flight: _InFlight | None = None
        self._launches = 0

    # ------------------------------------------------------------ facts
    @property
    def rows(self) -> list[Row]:
        return [row for members in self._members for row in members]

    @property
    def size(self) -> int:
        return sum(len(members) for members in self._members)

    @property
    def all_kv(self) -> bool:
        return self._layers.all_kv

    @property
    def pending(self) -> bool:
        """Whether a step was launched and not collected."""
        return self._in_flight is not None

    @property
    def nbytes(self) -> int:
        return sum(group.nbytes for group in self._groups)

    # ------------------------------------------------------------ between steps
    def change(self, joining: Sequence[tuple[Row, RowState]], keep: Callable[[Row, Group, int], None]) -> None:
        """Removes rows that have ended or are exhausted, then adds `joining`.

        `keep(row, group, place)` is called for each leaving row while its cache can still be read.
        """
        before = self.rows
        leaving = [row for row in before if row.ended or row.exhausted]
        if not leaving and not joining:
            return
        self._remove(keep)
        self._add(joining)
        after = self.rows
        place = {id(row): index for index, row in enumerate(before)}
        old = [place[id(row)] for row in after if id(row) in place]
        fresh = [row for row in after if id(row) not in place]
        order = self._interleave(after, place, len(old))
        self._tokens = self._reordered(self._tokens, old, [row.job.tokens[-1] for row in fresh], order)
        self._sampler = RowSampler([row.params for row in after], self._vocab_size, self._eos) if after else None
        self._counts = self._reordered_counts(old, fresh, order)

    def _remove(self, keep: Callable[[Row, Group, int], None]) -> None:
        for index, group in enumerate(self._groups):
            members = self._members[index]
            gone = [place for place, row in enumerate(members) if row.ended or row.exhausted]
            if not gone:
                continue
            for place in gone:
                keep(members[place], group, place)
            order = group.leave(gone)
            self._members[index] = [members[old] for old in order]
        kept = [index for index, members in enumerate(self._members) if members]
        self._groups = [self._groups[index] for index in kept]
        self._members = [self._members[index] for index in kept]

    def _add(self, joining: Sequence[tuple[Row, RowState]]) -> None:
        by_group: dict[int, list[tuple[Row, RowState]]] = {}
        for row, state in joining:
            sizes = {
                index: (len(self._members[index]), group.columns.width)
                for index, group in enumerate(self._groups)
                if not group.alone
            }
            alone = Way.BATCH not in self.sharing or state.length < self.sharing.least
            index = None if alone else choose_group(state.length, sizes)
            if index is None:
                self._groups.append(Group(self._layers, alone=alone))
                self._members.append([])
                self._groups[-1].join([state])
                self._members[-1].append(row)
            else:
                by_group.setdefault(index, []).append((row, state))
        for index, pairs in by_group.items():
            self._groups[index].join([state for _, state in pairs])
            self._members[index].extend(row for row, _ in pairs)

    @staticmethod
    def _interleave(after: list[Row], place: dict[int, int], kept: int) -> list[int]:
        """For each row now: its position in (kept rows, then fresh rows)."""
        order, old_at, fresh_at = [], 0, kept
        for row in after:
            if id(row) in place:
                order.append(old_at)
                old_at += 1
            else:
                order.append(fresh_at)
                fresh_at += 1
        return order

    @staticmethod
    def _reordered(tokens: mx.array | None, old: list[int], fresh: list[int], order: list[int]) -> mx.array | None:
        if not order:
            return None
        parts = [tokens[mx.array(old)]] if old and tokens is not None else []
        if fresh:
            parts.append(mx.array(fresh, dtype=mx.uint32))
        joined = mx.concatenate([part.astype(mx.uint32) for part in parts])
        return joined if order == list(range(len(order))) else joined[mx.array(order)]

    def _reordered_counts(self, old: list[int], fresh: list[Row], order: list[int]) -> TokenCounts | None:
        if self._sampler is None or not self._sampler.penalised:
            return None
        prompts = [row.job.tokens if row.params.penalised else [] for row in fresh]
        new = TokenCounts.of(prompts, [[] for _ in fresh], self._vocab_size)
        if self._counts is not None and old:
            kept = mx.array(old)
            before = TokenCounts(self._counts.prompt[kept], self._counts.output[kept])
        else:
            before = TokenCounts.of([[]] * len(old), [[]] * len(old), self._vocab_size)
        index = mx.array(order)
        return TokenCounts(
            mx.concatenate([before.prompt, new.prompt])[index], mx.concatenate([before.output, new.output])[index]
        )

    # ------------------------------------------------------------ a step
    def launch(self) -> _InFlight | None:
        """Starts the next step on the device; returns the step before it, which can be collected now."""
        previous, self._in_flight = self._in_flight, None
        rows = self.rows
        if rows and self._tokens is not None and self._sampler is not None:
            logits = self._logits(self._tokens, rows)
            masks = self._bind(rows, previous, logits)
            draw = self._sampler.sample(logits, [row.launched for row in rows], self._counts, masks)
            self._tokens = draw.tokens
            if self._counts is not None:
                self._counts.add(draw.tokens)
            mx.async_eval(draw.arrays)
            for row in rows:
                row.launched += 1
            self._in_flight = _InFlight(tuple(rows), draw)
            self._launches += 1
            if self._launches % EVALUATE_EVERY == 0 and not self._layers.all_kv:
                mx.eval([group.other_states for group in self._groups])
        return previous

    def _bind(self, rows: list[Row], previous: _InFlight | None, logits: mx.array) -> mx.array | None:
        """Masks for a batch with bound rows, made while the device computes the logits."""
        if all(row.constraint is None for row in rows):
            return None
        mx.async_eval(logits)
        if previous is not None:
            for row, token in zip(previous.rows, _listed(previous.draw.tokens), strict=True):
                if row.constraint is not None and not row.ended:
                    row.constraint.take(token)
        return self._masks.fill([None if row.ended else row.constraint for row in rows])

    def _logits(self, tokens: mx.array, rows: list[Row]) -> mx.array:
        """Logits of the next token, [rows, vocabulary]."""
        if len(self._groups) == 1:
            logits = self._forward.decode(tokens, self._groups[0].caches, rows)
        elif Way.GROUPS in self.sharing and not any(group.alone for group in self._groups):
            caches = [GroupedCache(list(layer)) for layer in zip(*(g.caches for g in self._groups), strict=True)]
            logits = self._forward.decode(tokens, caches, rows)
        else:
            parts, at = [], 0
            for group in self._groups:
                end = at + group.rows
                parts.append(self._forward.decode(tokens[at:end], group.caches, rows[at:end]))
                at = end
            logits = mx.concatenate(parts)
        for group in self._groups:
            group.columns.advance(1)
        return logits

    def collect(self, step: _InFlight) -> list[tuple[Row, int, TokenLogprob | None]]:
        """Waits for a step; its tokens for the rows that still live."""
        draw = step.draw
        tokens, chosen, top, best = map(_listed, (draw.tokens, draw.chosen, draw.top_tokens, draw.top_logprobs))
        found = []
        for at, (row, token) in enumerate(zip(step.rows, tokens, strict=True)):
            if row.ended:
                continue
            logprob = None
            if row.params.logprobs is not None:
                pairs = zip(top[at], best[at], strict=True) if top and best else ()
                logprob = self._logprob(
                    token, chosen[at], sorted(pairs, key=lambda pair: -pair[1])[: row.params.logprobs]
                )
            found.append((row, token, logprob))
        return found

    def _logprob(self, token: int, logprob: float, top: Sequence[tuple[int, float]]) -> TokenLogprob:
        def spelled(which: int) -> tuple[str, bytes]:
            data = self._vocab.bytes_of(which)
            return data.decode("utf-8", "replace"), data

        alternatives = tuple(Alternative(t, *spelled(t), p) for t, p in top)
        return TokenLogprob(token, *spelled(token), logprob, alternatives)


def _listed(array: mx.array | None) -> Any:
    """The array as Python numbers, waiting for it; an empty list for none."""
    return [] if array is None else array.tolist()
