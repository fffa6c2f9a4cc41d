"""What the routes need of responses: those that are kept, and those that run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.responses.record import Payload, Record
from gateway.responses.runs import Runs
from gateway.responses.store import ResponseStore
from gateway.tenancy.current import current
from shared.errors import InvalidRequest, NotFound, PreviousResponseNotFound

_PREVIOUS = "previous_response_id"


@dataclass(frozen=True, slots=True)
class Responses:
    store: ResponseStore
    runs: Runs

    @classmethod
    def build(cls, folder: Path | None = None) -> Self:
        """Kept in `folder`; without one, in memory."""
        store = ResponseStore(folder)
        return cls(store, Runs(store))

    async def close(self) -> None:
        await self.runs.close()
        await self.store.close()

    async def record(self, response_id: str) -> Record:
        """Raises NotFound. A response that runs here is given as it is at this moment."""
        run = self.runs.get(response_id)
        found = run.record() if run is not None else await self.store.get(response_id)
        if found is None or found.key != current().name:  # others' responses do not exist
            raise NotFound(f"Response with id '{response_id[:80]}' not found.", param="response_id")
        return found

    async def history(self, previous: str | None) -> tuple[Payload, ...]:
        """The items of a response and of all before it: what was asked and what was said, in order.

        Raises InvalidRequest for a response that is not there, or not done.
        """
        if previous is None:
            return ()
        chain = await self.store.chain(previous)
        if chain is None or any(record.key != current().name for record in chain):
            raise PreviousResponseNotFound(f"Previous response with id '{previous[:80]}' not found.", param=_PREVIOUS)
        if chain[-1].runs:
            raise InvalidRequest(f"The response '{previous[:80]}' is not complete yet.", param=_PREVIOUS)
        return tuple(item for record in chain for item in (*record.input, *record.response["output"]))

    async def resolve(self, items: tuple[Payload, ...], history: tuple[Payload, ...]) -> tuple[Payload, ...]:
        """The items with references put in place. Raises NotFound."""
        known = {item["id"]: item for item in history if isinstance(item.get("id"), str)}
        return tuple([await self._resolved(item, index, known) for index, item in enumerate(items)])

    async def _resolved(self, item: Payload, index: int, known: dict[str, Payload]) -> Payload:
        if item.get("type", "item_reference") != "item_reference" or "role" in item:
            return item
        wanted = item.get("id")
        if not isinstance(wanted, str):
            raise InvalidRequest(f"Missing required parameter: 'input[{index}].id'.", param=f"input[{index}].id")
        if wanted not in known:
            record = await self.store.holding(wanted)
            own = record is not None and record.key == current().name
            for one in (*record.input, *record.response["output"]) if record is not None and own else ():
                known.setdefault(one.get("id"), one)
        if wanted not in known:
            raise NotFound(
                f"Item with id '{wanted[:80]}' not found. Items are kept when 'store' is not false.",
                param=f"input[{index}].id",
            )
        return known[wanted]
