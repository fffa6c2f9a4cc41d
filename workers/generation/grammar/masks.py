"""The bit masks of a step: one row of 32-bit words for each row of the batch, filled by llguidance outside the GIL."""

from __future__ import annotations

import os
from collections.abc import Sequence

import mlx.core as mx
import numpy as np
from llguidance import LLExecutor, LLMatcher

from workers.generation.grammar.constraint import Constraint

_CORES = 4  # with fewer, handing rows to other threads costs more than it saves
_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)


class MaskBuffer:
    """One buffer for the batch. `width`: tokens that a matcher's mask speaks of, at least the logits' width."""

    def __init__(self, width: int) -> None:
        self._words = (width + 31) // 32
        self._buffer = np.empty((0, self._words), dtype=np.int32)
        self._executor = LLExecutor() if (os.cpu_count() or 1) >= _CORES else None

    def fill(self, constraints: Sequence[Constraint | None]) -> mx.array | None:
        """Masks of the rows' next tokens, uint8 [rows, bytes], a bit a token from the lowest on; None: all are free.

        Errors of a row's matcher are left in its constraint; its mask then admits everything.
        """
        bound = [(c.matcher, row) for row, c in enumerate(constraints) if c and c.matcher is not None and not c.error]
        forced = [(row, c) for row, c in enumerate(constraints) if c and c.forced is not None]
        if not bound and not forced:
            return None
        if len(self._buffer) < len(constraints):
            self._buffer = np.empty((len(constraints), self._words), dtype=np.int32)
        masks = self._buffer[: len(constraints)]
        if len(bound) < len(constraints):
            masks[:] = -1
        if bound:
            self._match(bound, masks, constraints)
        for row, constraint in forced:
            _force(masks[row], constraint)
        return mx.array(masks.view(np.uint8))

    def _match(
        self, bound: list[tuple[LLMatcher, int]], masks: np.ndarray, constraints: Sequence[Constraint | None]
    ) -> None:
        start, size = masks.ctypes.data, self._words * 4
        if self._executor is not None and len(bound) > 1:
            self._executor.unsafe_compute_mask_ptr(bound, start, size, len(masks))
        else:
            for matcher, row in bound:
                matcher.unsafe_compute_mask_ptr(start + row * size, size)
        for _, row in bound:
            constraint = constraints[row]
            if constraint is not None:
                constraint.check()
                if constraint.error is not None:
                    masks[row] = -1
                elif constraint.digits is not None:
                    constraint.digits.apply(masks[row])


def _force(mask: np.ndarray, constraint: Constraint) -> None:
    """Admits the forced token alone, unless the grammar rules it out."""
    token = constraint.forced
    if token is None or constraint.budget is None:
        return
    word, bit = token // 32, np.uint32(1 << token % 32).view(np.int32)
    if mask[word] & bit:
        mask[:] = 0
        mask[word] = bit
    else:
        constraint.budget.let_go()


def admitted(masks: mx.array, vocab_size: int) -> mx.array:
    """Masks as booleans, [rows, vocabulary]."""
    bits = (masks[:, :, None] & mx.array(_BITS)).astype(mx.bool_)
    return bits.reshape(masks.shape[0], -1)[:, :vocab_size]
