"""POST /v1/messages and /v1/messages/count_tokens, in Anthropic's dialect, and what its clients knock at first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.chat import CHAT_KINDS, MEDIA_KINDS, readable
from gateway.api.disconnect import while_connected
from gateway.api.edge import log_unknown, note_work, request_id_of
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.api.sse import EventStream
from gateway.api.streams import Events, Renamed
from gateway.dialects.anthropic.answer import Identity, MessageAnswer, MessageWriter
from gateway.dialects.anthropic.media import ImageReader, holds_images
from gateway.dialects.anthropic.parameters import PARAMETERS
from gateway.dialects.anthropic.request import client_words, options, parse_count, parse_messages, to_count, to_generate
from gateway.dialects.anthropic.schema import CountRequest, MessagesRequest
from gateway.dialects.anthropic.server_tools import server_uses
from gateway.dialects.anthropic.tools import left_out
from gateway.dialects.openai.parameters import unknown_names
from gateway.mcp.source import AnswerSource
from gateway.routing.registry import ModelEntry
from shared.errors import InternalError, WrongModality
from shared.messages import Accepted, Delta, Tokens

router = APIRouter(tags=["messages"])


@router.post(
    "/v1/messages",
    summary="Create a message",
    description="Anthropic's Messages API; `stream: true` answers with SSE.",
    openapi_extra=json_body(MessagesRequest),
    response_class=JSONResponse,
)
async def create_message(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_messages(body, request.headers.get("anthropic-beta", ""))
    log_unknown(request, unknown_names(body, PARAMETERS) + left_out(parsed.tools))
    entry = _resolve(node, parsed)
    images = ImageReader(readable(entry))
    work = to_generate(parsed, f"msg_{node.new_id()}", images)
    note_work(request, entry.name, work.request)
    blobs = await _load(request, node, images)
    named = server_uses(body, node.config.mcp)
    words = client_words(parsed, work.prompt, images)
    may_call = parsed.tool_choice is None or parsed.tool_choice.type != "none"

    def open_answer() -> AnswerSource:
        source = node.answer(entry, work, blobs, named) if may_call else node.open(entry, work, blobs)
        return Renamed(source, words.told)

    identity = Identity(work.request, entry.name, request_id_of(request.scope))
    wanted = options(parsed)
    if wanted.stream:
        writer = MessageWriter(identity, wanted)
        return EventStream(open_answer, writer, node.config.server.keep_alive, lambda: node.waiting_for(entry))
    answer = MessageAnswer(identity, wanted)
    return JSONResponse(await while_connected(request.receive, _complete(open_answer, answer)))


@router.post("/v1/messages/count_tokens", summary="Tokens of a message's prompt", openapi_extra=json_body(CountRequest))
async def count_tokens(request: Request, node: NodeDep) -> JSONResponse:
    parsed = parse_count(await read_json(request))
    entry = _resolve(node, parsed)
    images = ImageReader(readable(entry))
    work = to_count(parsed, f"count_{node.new_id()}", images)
    note_work(request, entry.name, work.request)
    blobs = await _load(request, node, images)
    words = client_words(parsed, work.prompt, images)
    for event in await while_connected(request.receive, _events(Renamed(node.open(entry, work, blobs), words.told))):
        if isinstance(event, Tokens):
            return JSONResponse({"input_tokens": len(event.tokens)})
    raise InternalError("The model did not answer with tokens.")


@router.head("/api/hello", include_in_schema=False)
@router.get("/api/hello", include_in_schema=False)
async def hello() -> Response:
    """Claude Code asks whether anyone is there."""
    return Response()


def _resolve(node: Node, parsed: CountRequest) -> ModelEntry:
    """The model; of several under one name (`default`) the one that sees the request's images."""
    if holds_images(parsed):
        try:
            return node.registry.resolve(parsed.model, MEDIA_KINDS)
        except WrongModality:
            pass  # the refusal names the block, not the model
    return node.registry.resolve(parsed.model, CHAT_KINDS)


async def _load(request: Request, node: Node, images: ImageReader) -> tuple[bytes, ...]:
    if not images.sources:
        return ()
    return await while_connected(request.receive, node.media.load(images.sources))


async def _complete(open_answer: Callable[[], AnswerSource], answer: MessageAnswer) -> dict[str, Any]:
    async with open_answer() as stream:
        for event in await stream.whole():
            answer.add(event)
    return answer.result(stream.usage)


async def _events(source: Events) -> Sequence[Accepted | Delta]:
    async with source as stream:
        return await stream.whole()
