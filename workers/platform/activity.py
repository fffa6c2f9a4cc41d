"""A sign that the device works while a step is not complete."""

from __future__ import annotations


def device_activity() -> tuple[int, int, int]:
    """Bytes of MLX's allocator: active, cached, peak. From any thread, once MLX is imported.

    Every operation takes the memory of its result and gives back that of its inputs, so that these numbers change
    while MLX evaluates a graph, on each of its backends, and stand still when nothing is computed.
    """
    import mlx.core as mx

    return mx.get_active_memory(), mx.get_cache_memory(), mx.get_peak_memory()
