"""The lengths at which a model begins to compute otherwise, set low for as long as it is probed.

Windows, block budgets and the length that a rotary embedding was trained for are 128 to 16384 tokens in published
models: too long to try while loading. The modules keep them as plain numbers, which can be lowered and put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOW = {
    **dict.fromkeys(("sliding_window", "sliding_window_size", "window_size", "attention_window_size", "window"), 12),
    **dict.fromkeys(("loop_window_size", "attention_chunk_size", "floor_scale", "max_window_size"), 12),
    **dict.fromkeys(("original_max_position_embeddings", "original_max_position"), 12),
    **{"index_topk": 8, "index_topk_blocks": 2, "index_block_size": 4},
}
_CONFIGURATIONS = ("Args", "Config", "Arguments", "Parameters")  # ends of the names of their classes
_DEEPEST = 4  # of configurations inside configurations


@contextmanager
def lowered(model: Any) -> Iterator[None]:
    """Lowers the thresholds in every module of `model` (an `nn.Module`)."""
    found = list(_numbers(model))
    try:
        for holder, name, _ in found:
            holder[name] = _LOW[name]
        yield
    finally:
        for holder, name, value in found:
            holder[name] = value


def longest(model: Any) -> int:
    """The highest threshold of the model, in tokens; 0 where it has none."""
    values = {name: value for _, name, value in _numbers(model)}
    if "index_topk_blocks" in values:
        values["index_topk_blocks"] *= values.get("index_block_size", 1)
    return max(values.values(), default=0)


def _numbers(model: Any) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Each number once, with the dictionary that holds it."""
    visited: set[int] = set()
    for module in model.modules():
        yield from _inside(vars(module), visited, _DEEPEST)
        for value in dict.values(module):  # where MLX keeps what is an array, a module or a dictionary
            if type(value) is dict:
                yield from _inside(value, visited, _DEEPEST)


def _inside(holder: dict[str, Any], visited: set[int], deeper: int) -> Iterator[tuple[dict[str, Any], str, int]]:
    if id(holder) in visited:
        return
    visited.add(id(holder))
    for name, value in list(holder.items()):
        if name in _LOW and type(value) is int and value > _LOW[name]:
            yield holder, name, value
        elif deeper and type(value) is dict:
            yield from _inside(value, visited, deeper - 1)
        elif deeper and type(value).__name__.endswith(_CONFIGURATIONS) and hasattr(value, "__dict__"):
            yield from _inside(vars(value), visited, deeper - 1)
