"""Whether rows of unequal length may share a batch: found out by trying, not by a list of names.

A wrong padding mask changes vectors without an error. Rows of a padded batch are compared with the same rows alone on a
few made-up tokens; where they differ, the engine batches equal lengths only. Done while loading, where it also
compiles the first kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workers.embedding.job import Item, Rows

# The last is further from the first than ModernBERT looks (64 tokens): padding then has no text in sight.
_LENGTHS = (3, 9, 80)
_EXACT = 2e-5
_ROUNDED = 3e-2  # 16-bit and quantised weights

Run = Callable[[Sequence[Item], int], Rows]
"""(items, width of the batch) to a row each."""


def rows_for(vocab_size: int, context: int) -> list[Item]:
    lengths = [min(length, context) for length in _LENGTHS]
    return [Item([(7 * n + 3 * i) % min(vocab_size, 997) for i in range(n)]) for n in lengths]


def pads_well(run: Run, items: Sequence[Item], exact: bool) -> bool:
    """Whether every row of one padded batch equals the row alone."""
    alone = np.concatenate([run([item], len(item.tokens)) for item in items])
    together = run(items, max(len(item.tokens) for item in items))
    difference = np.abs(alone - together).max()
    return bool(difference < (_EXACT if exact else _ROUNDED))
