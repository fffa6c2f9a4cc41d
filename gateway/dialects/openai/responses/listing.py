"""Input items as they are kept and listed: with ids, and with every field that OpenAI's clients look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.responses.items import kind_of
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest

Payload = dict[str, Any]

_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc", "mcp_call": "mcp"}
_OUTPUT_TEXT = {"type": "output_text", "annotations": [], "logprobs": []}


class PageRequest(Lenient):
    limit: int = Field(20, ge=1, le=100)
    order: str = "desc"
    after: str | None = None


def parse_page(query: Mapping[str, str]) -> PageRequest:
    """Raises InvalidRequest."""
    values: Payload = dict(query)
    limit = values.get("limit")
    if limit is not None and limit.isdecimal() and len(limit) < 10:
        values["limit"] = int(limit)
    page = validate(PageRequest, values)
    if page.order not in ("asc", "desc"):
        raise InvalidRequest(
            f"Invalid value for 'order': expected 'asc' or 'desc', but got {page.order[:80]!r}.", param="order"
        )
    return page


def to_page(items: Sequence[Payload], page: PageRequest) -> Payload:
    """`items` in the order of the conversation. Raises InvalidRequest for an `after` that is none of them."""
    ordered = list(items) if page.order == "asc" else list(reversed(items))
    start = 0
    if page.after is not None:
        places = [index for index, item in enumerate(ordered) if item["id"] == page.after]
        if not places:
            raise InvalidRequest(f"Invalid value for 'after': no item has the id {page.after[:80]!r}.", param="after")
        start = places[0] + 1
    shown = ordered[start : start + page.limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": start + page.limit < len(ordered),
    }


def to_kept(items: Sequence[Payload], suffix: str) -> tuple[Payload, ...]:
    """`suffix` makes ids for the items that bring none."""
    return tuple(_kept(item, f"{suffix}i{index:02x}", f"input[{index}]") for index, item in enumerate(items))


def _kept(item: Payload, suffix: str, at: str) -> Payload:
    kind = kind_of(item, at)
    own = item.get("id")
    given = own if isinstance(own, str) and own else f"{_PREFIXES.get(kind, 'item')}_{suffix}"
    kept = {**item, "id": given, "type": kind}
    if kind == "message":
        kept["content"] = _parts(item.get("content"), item.get("role") == "assistant")
    if kind == "reasoning":
        kept.setdefault("summary", [])
    elif kind not in ("mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"):
        kept["status"] = item.get("status") or "completed"
    return kept


def _parts(content: Any, said: bool) -> list[Any]:
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    return [_part(part, said) for part in content or ()]


def _part(part: Any, said: bool) -> Any:
    if not isinstance(part, dict):
        return part
    if said and part.get("type") in ("input_text", "output_text", "text"):
        return _OUTPUT_TEXT | part | {"type": "output_text"}
    if part.get("type") == "input_image":
        return {"detail": "auto"} | {key: value for key, value in part.items() if value is not None}
    return part
