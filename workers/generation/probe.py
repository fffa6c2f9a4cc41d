"""What a loaded model may share: found out by trying, not by a list of names.

Some families give wrong tokens, without an error, when rows of unequal length share a pass, and some only beyond a
window, a block budget or the length that they were trained for. So these thresholds are lowered (`thresholds.py`) while
each way of sharing is compared with the same rows one at a time, over several steps, with rows of one and two tokens
that join and a long one that leaves. What differs or raises is not used. Done while loading, where it also compiles the
first kernels.

How much may differ: the same positions computed by a prefill and by decode steps differ by rounding alone, which is
much in low precision and where experts are chosen. A few times that, within bounds, is what a pass may differ by.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from workers.generation import attention
from workers.generation.forward import Forward
from workers.generation.kv import Columns, GroupedCache, RowsCache
from workers.generation.layers import Group, Layers, RowState
from workers.generation.prefix_cache import NO_MATCH
from workers.generation.sharing import Sharing, Way
from workers.generation.thresholds import longest, lowered

_SHORT, _LONG = (1, 2, 7, 11), 27  # tokens of the prompts
_PIECE = 7  # tokens: ends before every lowered threshold
_BELOW = (2, 7)  # tokens of prompts that stay below them in every step
_LEAVER = 33  # tokens of a row that leaves: the others then have unused columns on their left
_STEPS = 3
_LEAST = 8  # tokens that a row has to have where rows without a state can't join
_ROUNDING = 5.0  # times the difference that rounding makes
_STRICT, _LOOSE = 0.002, 0.1  # bounds of what may differ, as a share of the logits' own spread
_REAL = 4096  # tokens: the longest prompt that is tried with thresholds as they are

_Logits = dict[tuple[int, int], mx.array]
"""By (row, step), each [vocabulary]."""
_NO_RUN = "a row alone can't be run"


class _Differs(Exception):
    """A shared pass gave other logits; the message says where."""


def find_sharing(forward: Forward, layers: Layers, vocab_size: int) -> Sharing:
    """Tries every way; never raises for what a model's own code does wrong."""
    with lowered(forward.network):
        found = _Probe(forward, layers, vocab_size, (*_SHORT, _LONG)).run()
    length = longest(forward.network)
    if Way.CHUNKS in found or not 0 < length <= _REAL:
        return found
    # Lowered numbers may contradict what a module worked out from them at construction: its own decide.
    if _Probe(forward, layers, vocab_size, (*_SHORT, length + _LONG)).cuts_prompts():
        return Sharing(found.ways | {Way.CHUNKS}, found.least, found.reasons)
    return found


class _Probe:
    """Tries the ways of sharing with made-up prompts of these `lengths`, the longest last."""

    def __init__(self, forward: Forward, layers: Layers, vocab_size: int, lengths: tuple[int, ...]) -> None:
        self._forward = forward
        self._layers = layers
        size = min(vocab_size, 997)
        self._rows = [[(7 * n + 3 * i) % size for i in range(n + _STEPS)] for n in lengths]
        self._leaver = [(5 * i) % size for i in range(_LEAVER)]
        self._lengths = lengths
        self._last = len(lengths) - 1
        self._states: list[RowState] = []
        self._alone: _Logits = {}
        self._allowed = _LOOSE

    def run(self) -> Sharing:
        reasons = self._try(Way.CHUNKS, self._run_alone, _NO_RUN)
        if reasons:
            return Sharing(frozenset(), reasons=dict.fromkeys(Way, reasons[Way.CHUNKS]))
        reasons |= self._try(Way.CHUNKS, self._chunks)
        least = 0
        if not self._layers.mergeable:
            reasons[Way.BATCH] = "its caches can't be merged"
        elif failed := self._try(Way.BATCH, lambda: self._batch(0)):
            reasons |= failed
            if not self._try(Way.BATCH, lambda: self._batch(_LEAST)):
                least = _LEAST
                del reasons[Way.BATCH]
        if Way.BATCH in reasons or not self._layers.all_kv:
            why = reasons.get(Way.BATCH, "not every layer keeps plain keys and values")
            reasons |= dict.fromkeys((Way.GROUPS, Way.PREFILL), why)
        else:
            attention.install(self._forward.package)
            reasons |= self._try(Way.GROUPS, self._groups) | self._try(Way.PREFILL, self._prefill)
        return Sharing(frozenset(Way) - reasons.keys(), least, reasons)

    def cuts_prompts(self) -> bool:
        """Whether a prompt gives the same in pieces as in one."""
        return not self._try(Way.CHUNKS, self._run_alone) and not self._try(Way.CHUNKS, self._chunks)

    @staticmethod
    def _try(way: Way, attempt: Callable[[], None], prefix: str = "") -> dict[Way, str]:
        try:
            attempt()
        except _Differs as error:
            return {way: str(error)}
        except Exception as error:
            # A model's code may fail in any way when it meets a batch it was not written for: it then runs alone.
            return {way: ": ".join(filter(None, (prefix, f"{type(error).__name__}: {str(error)[:120]}")))}
        return {}

    # ------------------------------------------------------------ one row at a time
    def _run_alone(self) -> None:
        for row, n in enumerate(self._lengths):
            caches = self._layers.single(NO_MATCH)
            if n > 1:
                self._forward.prefill(mx.array([self._rows[row][: n - 1]]), caches, None)
            self._states.append(_copied(self._layers.state(caches, n - 1)))
            for step in range(_STEPS):
                token = self._rows[row][n - 1 + step]
                self._alone[row, step] = self._forward.decode(mx.array([token]), caches, ())[0]
        mx.eval(self._alone)
        rounding = max(self._rounding(_SHORT.index(n)) for n in _BELOW)
        self._allowed = min(_LOOSE, max(_STRICT, _ROUNDING * rounding))

    def _rounding(self, row: int) -> float:
        """The largest difference that a prefill makes to a short row's decode steps."""
        logits = self._forward.prefill(mx.array([self._rows[row]]), self._layers.single(NO_MATCH), None)[0]
        first = self._lengths[row] - 1
        return max(_difference(logits[first + step], self._alone[row, step]) for step in range(_STEPS))

    def _state(self, tokens: list[int]) -> RowState:
        caches = self._layers.single(NO_MATCH)
        self._forward.prefill(mx.array([tokens]), caches, None)
        return self._layers.state(caches, len(tokens))

    # ------------------------------------------------------------ ways of sharing
    def _chunks(self) -> None:
        """The longest prompt in two pieces, the first of which ends before any threshold and the second behind."""
        tokens, end = self._rows[self._last], self._lengths[self._last] - 1
        caches = self._layers.single(NO_MATCH)
        for start, stop in ((0, _PIECE), (_PIECE, end - 1), (end - 1, end)):
            self._forward.prefill(mx.array([tokens[start:stop]]), caches, None)
        for step in range(_STEPS):
            self._check(self._last, step, self._forward.decode(mx.array([tokens[end + step]]), caches, ())[0])

    def _batch(self, least: int) -> None:
        """Short rows join a long one that has begun, another long one leaves; then the long one joins the short."""
        short = [row for row in range(self._last) if self._states[row].length >= least] or [self._last]
        group = self._group([self._last])
        group.join([self._state(self._leaver)])
        steps = self._decode([(group, [self._last])], {}, leaving=1)
        group.leave([1])
        group.join([_copied(self._states[row]) for row in short])
        for _ in range(_STEPS - 1):
            steps = self._decode([(group, [self._last, *short])], steps)
        late = self._group(short)
        steps = self._decode([(late, short)], {})
        late.join([_copied(self._states[self._last])])
        for _ in range(_STEPS - 1):
            steps = self._decode([(late, [*short, self._last])], steps)

    def _groups(self) -> None:
        groups = [(self._group([row]), [row]) for row in range(len(self._rows))]
        steps: dict[int, int] = {}
        for _ in range(_STEPS):
            steps = self._decode(groups, steps)

    def _prefill(self) -> None:
        columns = Columns(0, [0] * len(self._rows))
        caches = [RowsCache(columns) for _ in self._layers.is_kv]
        width = max(self._lengths) - 1
        prompts = [row[: n - 1] for row, n in zip(self._rows, self._lengths, strict=True)]
        self._forward.prefill(mx.array([prompt + [0] * (width - len(prompt)) for prompt in prompts]), caches, None)
        states = [
            RowState(len(prompt), [cache.read(row, 0, len(prompt)) for cache in caches], [])
            for row, prompt in enumerate(prompts)
        ]
        group = Group(self._layers)
        group.join(states)
        steps: dict[int, int] = {}
        for _ in range(_STEPS):
            steps = self._decode([(group, list(range(len(self._rows))))], steps)

    # ------------------------------------------------------------ steps of a batch
    def _group(self, rows: Sequence[int]) -> Group:
        group = Group(self._layers)
        group.join([_copied(self._states[row]) for row in rows])
        return group

    def _decode(self, groups: list[tuple[Group, list[int]]], steps: dict[int, int], leaving: int = 0) -> dict[int, int]:
        """One step of these rows, each at its own step; `leaving` rows behind them are not compared."""
        rows = [row for _, members in groups for row in members]
        at = {row: steps.get(row, 0) for row in rows}
        tokens = [self._rows[row][self._lengths[row] - 1 + at[row]] for row in rows] + [0] * leaving
        caches = groups[0][0].caches
        if len(groups) > 1:
            caches = [GroupedCache(list(layer)) for layer in zip(*(g.caches for g, _ in groups), strict=True)]
        logits = self._forward.decode(mx.array(tokens), caches, ())
        for group, _ in groups:
            group.columns.advance(1)
        for place, row in enumerate(rows):
            self._check(row, at[row], logits[place])
        return {row: step + 1 for row, step in at.items()} | {row: s for row, s in steps.items() if row not in at}

    def _check(self, row: int, step: int, logits: mx.array) -> None:
        found = _difference(logits, self._alone[row, step])
        if not found <= self._allowed:  # also where it is not a number
            length = self._lengths[row] + step
            raise _Differs(f"logits differ by {found:.2g} of their spread at {length} tokens")


def _difference(logits: mx.array, alone: mx.array) -> float:
    """Mean distance as a share of the standard deviation of `alone`, both [vocabulary]."""
    one, other = logits.astype(mx.float32), alone.astype(mx.float32)
    distance: Any = (mx.abs(one - other).mean() / (mx.std(other) + 1e-6)).item()
    return float(distance)


def _copied(state: RowState) -> RowState:
    """The caches of layers without plain keys and values change in place."""
    return RowState(state.length, state.span, copy.deepcopy(state.others))
