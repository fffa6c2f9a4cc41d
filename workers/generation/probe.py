"""What a loaded model may share: found out by trying, not by a list of names.

Some families give wrong tokens, without an error, when rows of unequal length share a pass. Each way of sharing is
compared with the same rows one at a time on a few made-up tokens; the engine uses what agrees. Done while loading,
where it also compiles the first kernels.
"""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from workers.generation import attention
from workers.generation.forward import Forward
from workers.generation.kv import Columns, GroupedCache, RowsCache
from workers.generation.layers import Group, Layers, RowState
from workers.generation.prefix_cache import NO_MATCH

_LENGTHS = (9, 5, 14)
_LONGEST = 17  # of a row that leaves again: the others then have unused columns on their left
_TOLERANCE = 0.1  # of the logits' own spread; rounding stays far below, a wrong mask far above


class Probe:
    """Tries the ways of sharing on `model`; `vocab_size` bounds the made-up tokens."""

    def __init__(self, forward: Forward, layers: Layers, vocab_size: int) -> None:
        self._forward = forward
        self._layers = layers
        self._prompts = [[(7 * n + 3 * i) % min(vocab_size, 997) for i in range(n + 1)] for n in _LENGTHS]
        self._alone = mx.concatenate([self._run_alone(prompt) for prompt in self._prompts])
        mx.eval(self._alone)

    def batch(self) -> bool:
        """Rows of unequal length decode together."""
        return self._layers.mergeable and self._agrees(lambda: self._decode([self._joined(self._states())]))

    def fused(self) -> bool:
        """Groups of rows share one pass over the weights."""
        if not self._layers.all_kv:
            return False
        attention.install(self._forward.package)
        return self._agrees(lambda: self._decode([self._joined([state]) for state in self._states()]))

    def together(self) -> bool:
        """Prompts of unequal length prefill together."""
        return self._layers.all_kv and self._agrees(lambda: self._decode([self._joined(self._states_together())]))

    def _run_alone(self, prompt: list[int]) -> mx.array:
        caches = self._layers.single(NO_MATCH)
        self._forward.prefill(mx.array([prompt[:-1]]), caches, None)
        return self._forward.decode(mx.array(prompt[-1:]), caches, ())

    def _states(self) -> list[RowState]:
        return [self._state(prompt[:-1]) for prompt in self._prompts]

    def _state(self, tokens: list[int]) -> RowState:
        caches = self._layers.single(NO_MATCH)
        self._forward.prefill(mx.array([tokens]), caches, None)
        return self._layers.state(caches, len(tokens))

    def _states_together(self) -> list[RowState]:
        columns = Columns(0, [0] * len(self._prompts))
        caches = [RowsCache(columns) for _ in self._layers.is_kv]
        width = max(_LENGTHS)
        padded = [prompt[:-1] + [0] * (width - len(prompt) + 1) for prompt in self._prompts]
        self._forward.prefill(mx.array(padded), caches, None)
        ends = [len(prompt) - 1 for prompt in self._prompts]
        return [RowState(end, [c.read(row, 0, end) for c in caches], []) for row, end in enumerate(ends)]

    def _joined(self, states: list[RowState]) -> Group:
        group = Group(self._layers)
        group.join([*states, self._state([0] * _LONGEST)])
        group.leave([len(states)])
        return group

    def _decode(self, groups: list[Group]) -> mx.array:
        tokens = mx.array([prompt[-1] for prompt in self._prompts])
        caches = groups[0].caches
        if len(groups) > 1:
            caches = [GroupedCache(list(layer)) for layer in zip(*(g.caches for g in groups), strict=True)]
        return self._forward.decode(tokens, caches, ())

    def _agrees(self, attempt: Callable[[], mx.array]) -> bool:
        try:
            logits = attempt().astype(mx.float32)
            alone = self._alone.astype(mx.float32)
            return bool((mx.abs(logits - alone).mean() < _TOLERANCE * mx.std(alone) + 1e-6).item())
        except Exception:
            # A model's code may fail in any way when it meets a batch it was not written for: it then runs alone.
            return False
