"""OpenAI's Responses API: POST /v1/responses, and what is kept of the answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.chat import CHAT_KINDS, MEDIA_KINDS, readable
from gateway.api.disconnect import while_connected
from gateway.api.edge import log_unknown, note_work
from gateway.api.kept_stream import KeptStream, followed
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.api.streams import Renamed
from gateway.dialects.openai.errors import error_object
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.responses.answer import Answer, Identity
from gateway.dialects.openai.responses.listing import to_kept
from gateway.dialects.openai.responses.output import Payload
from gateway.dialects.openai.responses.parameters import PARAMETERS
from gateway.dialects.openai.responses.parts import holds_media
from gateway.dialects.openai.responses.request import (
    AnswerOptions,
    Asked,
    client_words,
    options,
    parse_count,
    parse_responses,
    to_count,
    to_generate,
    understand,
)
from gateway.dialects.openai.responses.schema import InputRequest, ResponsesRequest
from gateway.dialects.wire_paths import ClientWords
from gateway.mcp.events import ServerUse
from gateway.mcp.source import AnswerSource
from gateway.responses.record import Record
from gateway.responses.runs import Run
from gateway.responses.server_tools import prepare
from gateway.routing.registry import ModelEntry
from gateway.tenancy.current import current
from shared.errors import InternalError, UnsupportedParameter, WrongModality
from shared.messages import Generate, Tokens

router = APIRouter(tags=["responses"])

PATH = "/v1/responses"


@dataclass(frozen=True, slots=True)
class Task:
    """One request, ready to be worked on. `items` are its own, as they are kept."""

    entry: ModelEntry
    work: Generate
    blobs: tuple[bytes, ...]
    answer: Answer
    wanted: AnswerOptions
    items: tuple[Payload, ...]
    servers: tuple[ServerUse, ...]
    max_calls: int | None
    calls_tools: bool
    words: ClientWords


@router.post(
    PATH,
    summary="Create a response",
    description="OpenAI's Responses API; `stream: true` answers with SSE, `background: true` at once.",
    openapi_extra=json_body(ResponsesRequest),
    response_class=JSONResponse,
)
async def create_response(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_responses(body)
    task = await _prepare(request, node, parsed)
    log_unknown(request, unknown_names(body, PARAMETERS))
    if task.wanted.background:
        return await _background(node, task)
    if task.wanted.stream:
        return KeptStream(
            lambda: _open(node, task),
            task.answer,
            lambda answer: _save_soon(node, task, answer),
            time.time,
            node.config.server.keep_alive,
            lambda: node.waiting_for(task.entry),
        )
    return JSONResponse(await while_connected(request.receive, _complete(node, task)))


@router.post(f"{PATH}/input_tokens", summary="Tokens of a response's prompt", openapi_extra=json_body(InputRequest))
async def count_input_tokens(request: Request, node: NodeDep) -> JSONResponse:
    parsed = parse_count(await read_json(request))
    asked, history = await _understand(node, parsed)
    entry, media = _model(node, asked, history)
    work = to_count(asked, history, f"count_{node.new_id()}", media)
    note_work(request, entry.name, work.request)
    blobs = await _load(request, node, media)
    words = client_words(asked, work.prompt, media)

    async def count() -> Sequence[object]:
        async with Renamed(node.open(entry, work, blobs), words.told) as stream:
            return await stream.whole()

    for event in await while_connected(request.receive, count()):
        if isinstance(event, Tokens):
            return JSONResponse({"object": "response.input_tokens", "input_tokens": len(event.tokens)})
    raise InternalError("The model did not answer with tokens.")


@router.post(f"{PATH}/compact", include_in_schema=False)
async def compact() -> Response:
    raise UnsupportedParameter("Conversations are not compacted here: '/v1/responses/compact' is not supported.")


@router.get(PATH, include_in_schema=False)
async def no_websocket() -> Response:
    """Codex tries a WebSocket first, and takes this for an answer."""
    body = error_object("There are no WebSockets here; POST to this path.", 426, None, "upgrade_required")
    return JSONResponse(body, 426)


# ------------------------------------------------------------------ before any work
async def _prepare(request: Request, node: Node, parsed: ResponsesRequest) -> Task:
    asked, history = await _understand(node, parsed)
    log_unknown(request, [f"tools: {kind}" for kind in asked.tools.left_out])
    entry, media = _model(node, asked, history)
    suffix = node.new_id()
    response_id = f"resp_{suffix}"

    def check() -> object:
        """Nothing is run for a request that will be refused."""
        return to_generate(asked, history, response_id, MediaReader(readable(entry)))

    servers = await while_connected(request.receive, prepare(node.mcp, asked, history, response_id, check))
    work = to_generate(servers.asked, history, response_id, media)
    note_work(request, entry.name, work.request)
    blobs = await _load(request, node, media)
    wanted = options(parsed)
    identity = Identity(response_id, int(time.time()), entry.name)
    return Task(
        entry,
        work,
        blobs,
        Answer(identity, asked, wanted, servers.events, servers.approvals),
        wanted,
        to_kept(asked.items, suffix),
        tuple(servers.uses),
        parsed.max_tool_calls,
        asked.choice.use_tools,
        client_words(servers.asked, work.prompt, media),
    )


async def _understand(node: Node, parsed: InputRequest) -> tuple[Asked, tuple[Payload, ...]]:
    history = await node.responses.history(parsed.previous_response_id)
    items = await node.responses.resolve(tuple(parsed.input or ()), history)
    return understand(parsed, items), history


def _model(node: Node, asked: Asked, history: Sequence[Payload]) -> tuple[ModelEntry, MediaReader]:
    """The model; of several under one name (`default`) the one that reads the request's media."""
    name = asked.request.model
    entry: ModelEntry | None = None
    if holds_media((*history, *asked.items)):
        with suppress(WrongModality):  # the refusal names the part, not the model
            entry = node.registry.resolve(name, MEDIA_KINDS)
    entry = entry or node.registry.resolve(name, CHAT_KINDS)
    return entry, MediaReader(readable(entry))


async def _load(request: Request, node: Node, media: MediaReader) -> tuple[bytes, ...]:
    if not media.sources:
        return ()
    return await while_connected(request.receive, node.media.load(media.sources))


# ------------------------------------------------------------------ the work
def _open(node: Node, task: Task) -> AnswerSource:
    if not task.calls_tools:
        return Renamed(node.open(task.entry, task.work, task.blobs), task.words.told)
    source = node.answer(task.entry, task.work, task.blobs, task.servers, max_calls=task.max_calls)
    return Renamed(source, task.words.told)


async def _complete(node: Node, task: Task) -> Payload:
    answer = task.answer
    answer.start()
    async with _open(node, task) as source:
        for event in await source.whole():
            answer.feed(event)
    answer.end(source.usage, int(time.time()))
    if task.wanted.store:
        with suppress(InternalError):  # the store has said why, and the answer is good
            await node.responses.store.save(Record(answer.response(), task.items, key=current().name))
    return answer.response()


def _save_soon(node: Node, task: Task, answer: Answer) -> Future[None] | None:
    if not task.wanted.store:
        return None
    return node.responses.store.save_soon(Record(answer.response(), task.items, key=current().name))


async def _background(node: Node, task: Task) -> Response:
    run = Run(task.answer, task.items, keep_events=task.wanted.stream)
    queued = await node.responses.runs.start(task.work.request, run, lambda: _open(node, task))
    if task.wanted.stream:
        return followed(run.follow(-1), node.config.server.keep_alive)
    return JSONResponse(queued.response)
