"""Anthropic's model list: pages of model objects. https://docs.claude.com/en/api/models-list"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.dialects.anthropic.validate import invalid

DEFAULT_LIMIT, MAX_LIMIT = 20, 1000


@dataclass(frozen=True, slots=True)
class Page:
    """`after` and `before` are ids: where the page begins or ends."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None


def parse_page(query: Mapping[str, str]) -> Page:
    """Raises InvalidRequest."""
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 9 and 1 <= int(limit) <= MAX_LIMIT):
        raise invalid("limit", f"Input should be a whole number from 1 to {MAX_LIMIT}")
    if "after_id" in query and "before_id" in query:
        raise invalid("before_id", "'after_id' and 'before_id' can't be used together")
    return Page(int(limit), query.get("after_id"), query.get("before_id"))


def to_model(name: str, created: int, context: int | None) -> dict[str, Any]:
    """`created` in seconds since 1970, `context` in tokens; prompt and answer share it."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "capabilities": None,
        "max_input_tokens": context,
        "max_tokens": context,
    }


def to_list(models: Sequence[dict[str, Any]], page: Page) -> dict[str, Any]:
    """The page of the models. `has_more`: in the direction in which the client reads. Raises InvalidRequest."""
    ids = [model["id"] for model in models]
    if page.before is not None:
        end = _place(ids, page.before, "before_id")
        start = max(0, end - page.limit)
        more = start > 0
    else:
        start = 0 if page.after is None else _place(ids, page.after, "after_id") + 1
        end = min(len(ids), start + page.limit)
        more = end < len(ids)
    shown = list(models[start:end])
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"data": shown, "has_more": more, "first_id": first, "last_id": last}


def _place(ids: Sequence[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise invalid(param, "there is no model with this id")
    return ids.index(wanted)
