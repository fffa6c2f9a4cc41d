"""Keeps a worker within the memory that the gateway gave it.

mlx-lm, mlx-vlm and mlx-audio set the process's wired limit to the machine's whole recommended working set whenever
they load or generate; sibling workers would then wire several times the memory. They all call `set_wired_limit` as an
attribute of `mlx.core` at call time, so one replacement there bounds them all.
"""

from __future__ import annotations

from typing import Any

from shared.logs import get_logger

_log = get_logger("workers.memory")

_CACHE_SHARE = 4  # MLX's buffer cache may hold a quarter of the budget
_ORIGINAL = "_mlx_gateway_original"


def apply_limits(budget: int | None, wired: int | None, mx: Any = None) -> None:
    """Bounds what MLX allocates (`budget`) and wires (`wired`), in bytes; call it before a model library runs.

    Without a budget MLX's own bound stays. Without a wired limit MLX's own, which is 0, stays, and nothing may raise
    it. `mx` is `mlx.core`, or a fake of it.
    """
    if mx is None:
        import mlx.core as mx
    if budget is not None:
        mx.set_memory_limit(budget)
        mx.set_cache_limit(budget // _CACHE_SHARE)
    ceiling = 0 if wired is None else _possible(wired, mx)
    cap_wired_limit(ceiling, mx)
    if wired is not None and mx.metal.is_available():
        mx.set_wired_limit(ceiling)
    _log.info("memory limits", budget=budget, wired=ceiling)


def cap_wired_limit(ceiling: int, mx: Any) -> None:
    """From now on nobody in this process can wire more than `ceiling` bytes."""
    for module in (mx, mx.metal):
        set_limit = getattr(module, "set_wired_limit", None)
        if set_limit is not None:
            module.set_wired_limit = _capped(getattr(set_limit, _ORIGINAL, set_limit), ceiling)


def _capped(set_limit: Any, ceiling: int) -> Any:
    def set_wired_limit(limit: int) -> int:
        return int(set_limit(min(limit, ceiling)))

    setattr(set_wired_limit, _ORIGINAL, set_limit)
    return set_wired_limit


def _possible(wired: int, mx: Any) -> int:
    """Metal refuses a limit above the system's own."""
    if not mx.metal.is_available():
        return wired
    system = mx.device_info().get("max_recommended_working_set_size")
    return min(wired, int(system)) if system else wired
