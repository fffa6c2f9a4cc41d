"""A request's word about thinking, under the names that a model's template reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def thinking_switches(kwargs: Mapping[str, Any], template: Any) -> dict[str, Any]:
    """A request's `enable_thinking` (or `thinking`) under the other names that the model's template reads; an effort
    of `low` or more asks for thoughts.

    Families differ: `enable_thinking` Qwen, GLM, Gemma, Hunyuan; `thinking` DeepSeek V3.1, Granite, Kimi;
    `thinking_mode` MiniMax M3; `thinking_budget` Seed OSS. What the request names itself stays as it is.
    """
    asked = True if kwargs.get("reasoning_effort") in _EFFORTS else None
    wanted = kwargs.get("enable_thinking", kwargs.get("thinking", asked))
    if not isinstance(wanted, bool):
        return {}
    text = " ".join(map(str, template.values())) if isinstance(template, Mapping) else str(template or "")
    values: dict[str, Any] = {"enable_thinking": wanted, "thinking": wanted}
    if "disabled" in text:
        values["thinking_mode"] = "enabled" if wanted else "disabled"
    if not wanted:
        values["thinking_budget"] = 0
    return {name: value for name, value in values.items() if name not in kwargs and re.search(rf"\b{name}\b", text)}
