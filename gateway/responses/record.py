"""One stored response: data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """`input` holds the request's own items; what came before them is found through `previous`.

    `events` are those of a response that was streamed in the background, as they went out.
    """

    response: Payload
    input: tuple[Payload, ...] = ()
    events: tuple[Payload, ...] = ()
    key: str = ""  # the name of the API key that it belongs to

    @property
    def id(self) -> str:
        return str(self.response["id"])

    @property
    def status(self) -> str:
        return str(self.response["status"])

    @property
    def previous(self) -> str | None:
        found: str | None = self.response.get("previous_response_id")
        return found

    @property
    def runs(self) -> bool:
        return self.status in ("queued", "in_progress")

    def item_ids(self) -> list[str]:
        return [item["id"] for item in (*self.input, *self.response["output"]) if isinstance(item.get("id"), str)]
