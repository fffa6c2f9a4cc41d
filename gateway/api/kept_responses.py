"""What is kept of responses: retrieve, delete, cancel, and the items that went in."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.kept_stream import followed
from gateway.api.node import Node, NodeDep
from gateway.api.responses import PATH
from gateway.dialects.openai.responses.listing import parse_page, to_page
from gateway.dialects.openai.responses.output import Payload
from gateway.responses.record import Record
from shared.errors import InvalidRequest, NotFound

router = APIRouter(tags=["responses"])


@router.get(f"{PATH}/{{response_id}}", summary="A stored response; `stream=true` follows one in the background")
async def retrieve(request: Request, response_id: str, node: NodeDep) -> Response:
    if request.query_params.get("stream", "false").lower() != "true":
        return JSONResponse((await node.responses.record(response_id)).response)
    after = _after(request.query_params.get("starting_after"))
    record = await node.responses.record(response_id)
    run = node.responses.runs.get(response_id)
    follows = run is not None and run.keeps_events
    events = run.follow(after) if run and follows else _kept(record, after)
    return followed(events, node.config.server.keep_alive)


@router.delete(f"{PATH}/{{response_id}}", summary="Delete a stored response")
async def delete(response_id: str, node: NodeDep) -> JSONResponse:
    await node.responses.record(response_id)
    await node.responses.runs.cancel(response_id)
    if not await node.responses.store.delete(response_id):
        raise NotFound(f"Response with id '{response_id[:80]}' not found.", param="response_id")
    return JSONResponse({"id": response_id, "object": "response", "deleted": True})


@router.post(f"{PATH}/{{response_id}}/cancel", summary="Cancel a response in the background")
async def cancel(response_id: str, node: NodeDep) -> JSONResponse:
    record = await node.responses.record(response_id)
    if not record.response["background"]:
        raise InvalidRequest("Only responses created with 'background' can be cancelled.", param="response_id")
    if record.runs and await node.responses.runs.cancel(response_id):
        record = await node.responses.record(response_id)
    return JSONResponse(record.response)


@router.get(f"{PATH}/{{response_id}}/input_items", summary="What a stored response was asked")
async def input_items(request: Request, response_id: str, node: NodeDep) -> JSONResponse:
    page = parse_page(request.query_params)
    return JSONResponse(to_page(await _input(node, response_id), page))


async def _input(node: Node, response_id: str) -> list[Payload]:
    """The request's own items, behind those of the conversation before it as far as it is still there."""
    record = await node.responses.record(response_id)
    before = await node.responses.store.chain(record.previous) if record.previous is not None else ()
    found = [item for one in before or () for item in (*one.input, *one.response["output"])]
    return [*found, *record.input]


def _after(text: str | None) -> int:
    if text is None:
        return -1
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise InvalidRequest("Invalid value for 'starting_after': expected a number.", param="starting_after")
    return int(text)


async def _kept_events(record: Record, after: int) -> AsyncIterator[Payload]:
    for event in record.events[after + 1 :]:
        yield event


def _kept(record: Record, after: int) -> AsyncIterator[Payload]:
    if not record.events:
        raise InvalidRequest(
            "This response can't be streamed: it was not created with 'background' and 'stream'.", param="stream"
        )
    return _kept_events(record, after)
