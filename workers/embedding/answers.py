"""From a request's rows to its delta."""

from __future__ import annotations

import numpy as np

from shared.errors import InvalidRequest
from shared.messages import Blob, Scores, Vectors
from workers.embedding.job import Rows


def check_dimensions(asked: int | None, width: int) -> int:
    """The length of the vectors to return. Raises InvalidRequest naming `dimensions`."""
    if asked is None:
        return width
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= width:
        raise InvalidRequest(f"dimensions is {asked}; this model's vectors have 1 to {width}", param="dimensions")
    return asked


def vectors(request: str, rows: Rows, dimensions: int) -> Vectors:
    """Matryoshka: the first `dimensions` numbers, of length one again."""
    if dimensions < rows.shape[1]:
        rows = rows[:, :dimensions]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return Vectors(request, dimensions, Blob(np.ascontiguousarray(rows, "<f4").tobytes()))


def similarity(request: str, rows: Rows) -> Scores:
    """The cosine of the first row with each other one, moved from -1..1 to 0..1."""
    return scores(request, np.clip((1 + rows[1:] @ rows[0]) / 2, 0, 1)[:, None])


def scores(request: str, rows: Rows) -> Scores:
    return Scores(request, tuple(float(score) for score in rows[:, 0]))
