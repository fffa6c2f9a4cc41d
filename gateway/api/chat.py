"""POST /v1/chat/completions, in OpenAI's dialect."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.disconnect import while_connected
from gateway.api.edge import log_unknown, note_work
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.api.sse import EventStream
from gateway.api.streams import Renamed
from gateway.dialects.openai.answer import Completion, Identity
from gateway.dialects.openai.chunks import ChunkWriter
from gateway.dialects.openai.media import MediaReader, holds_media
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.request import ChatOptions, client_words, options, parse_chat, to_generate
from gateway.dialects.openai.schema import ChatRequest
from gateway.dialects.openai.server_tools import server_uses
from gateway.mcp.source import AnswerSource
from gateway.media.source import Media
from gateway.routing.registry import ModelEntry
from shared.errors import WrongModality
from shared.messages import Kind

router = APIRouter(tags=["chat"])

CHAT_KINDS: tuple[Kind, ...] = ("llm", "vlm")
MEDIA_KINDS: tuple[Kind, ...] = ("vlm",)
_MEDIA: tuple[Media, ...] = get_args(Media)


@router.post(
    "/v1/chat/completions",
    summary="Create a chat completion",
    description="OpenAI's chat completions with vLLM's sampling parameters; `stream: true` answers with SSE.",
    openapi_extra=json_body(ChatRequest),
    response_class=JSONResponse,
)
async def chat_completions(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_chat(body)
    log_unknown(request, unknown_names(body))
    entry = _resolve(node, parsed)
    media = MediaReader(readable(entry))
    work = to_generate(parsed, f"chatcmpl-{node.new_id()}", media)
    note_work(request, entry.name, work.request)
    blobs: tuple[bytes, ...] = ()
    if media.sources:
        blobs = await while_connected(request.receive, node.media.load(media.sources))
    named = server_uses(body, node.config.mcp)
    words = client_words(parsed, work.prompt, media)
    wanted = options(parsed)
    identity = Identity(work.request, int(time.time()), entry.name, node.fingerprint)

    def open_answer() -> AnswerSource:
        if parsed.tool_choice == "none":
            return Renamed(node.open(entry, work, blobs), words.told)
        return Renamed(node.answer(entry, work, blobs, named), words.told)

    if wanted.stream:
        writer = _writer(identity, wanted)
        return EventStream(open_answer, writer, node.config.server.keep_alive, lambda: node.waiting_for(entry))
    return JSONResponse(await while_connected(request.receive, _complete(open_answer, identity, wanted)))


def readable(entry: ModelEntry) -> tuple[Media, ...]:
    """The media that a model reads besides text; all, as long as only its worker could tell."""
    if entry.kind == "llm":
        return ()
    return tuple(one for one in _MEDIA if one in entry.capabilities) if entry.capabilities else _MEDIA


def _resolve(node: Node, parsed: ChatRequest) -> ModelEntry:
    """The model; of several under one name (`default`) the one that reads the request's media."""
    if holds_media(parsed):
        try:
            return node.registry.resolve(parsed.model, MEDIA_KINDS)
        except WrongModality:
            pass  # the refusal names the part, not the model
    return node.registry.resolve(parsed.model, CHAT_KINDS)


def _writer(identity: Identity, wanted: ChatOptions) -> ChunkWriter:
    return ChunkWriter(
        identity,
        wanted.n,
        logprobs=wanted.logprobs,
        include_reasoning=wanted.include_reasoning,
        include_usage=wanted.include_usage,
        named_call=wanted.named_call,
    )


async def _complete(open_answer: Callable[[], AnswerSource], identity: Identity, wanted: ChatOptions) -> dict[str, Any]:
    answer = Completion(
        identity,
        wanted.n,
        logprobs=wanted.logprobs,
        include_reasoning=wanted.include_reasoning,
        named_call=wanted.named_call,
    )
    async with open_answer() as stream:
        for event in await stream.whole():
            answer.add(event)
    return answer.result(stream.usage)
