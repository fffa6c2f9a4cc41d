"""POST /v1/chat/completions, in OpenAI's dialect."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.disconnect import while_connected
from gateway.api.edge import note_work, request_id_of
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.api.sse import EventStream
from gateway.dialects.openai.answer import Completion, Identity
from gateway.dialects.openai.chunks import ChunkWriter
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.request import ChatOptions, options, parse_chat, to_generate
from gateway.dialects.openai.schema import ChatRequest
from gateway.routing.registry import ModelEntry
from shared.logs import get_logger
from shared.messages import Generate, Kind

log = get_logger("gateway.api")
router = APIRouter(tags=["chat"])

CHAT_KINDS: tuple[Kind, ...] = ("llm", "vlm")


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
    _log_unknown(request, body)
    entry = node.registry.resolve(parsed.model, CHAT_KINDS)
    work = to_generate(parsed, f"chatcmpl-{node.new_id()}")
    note_work(request, entry.name, work.request)
    wanted = options(parsed)
    identity = Identity(work.request, int(time.time()), entry.name, node.fingerprint)
    if wanted.stream:
        return _stream(node, entry, work, identity, wanted)
    answer = await while_connected(request.receive, _complete(node, entry, work, identity, wanted))
    return JSONResponse(answer)


def _stream(node: Node, entry: ModelEntry, work: Generate, identity: Identity, wanted: ChatOptions) -> EventStream:
    writer = ChunkWriter(
        identity,
        wanted.n,
        logprobs=wanted.logprobs,
        include_reasoning=wanted.include_reasoning,
        include_usage=wanted.include_usage,
    )
    return EventStream(
        lambda: node.open(entry, work), writer, node.config.server.keep_alive, lambda: node.waiting_for(entry)
    )


async def _complete(
    node: Node, entry: ModelEntry, work: Generate, identity: Identity, wanted: ChatOptions
) -> dict[str, Any]:
    answer = Completion(identity, wanted.n, logprobs=wanted.logprobs, include_reasoning=wanted.include_reasoning)
    async with node.open(entry, work) as stream:
        for event in await stream.whole():
            answer.add(event)
    return answer.result(stream.usage)


def _log_unknown(request: Request, body: dict[str, Any]) -> None:
    names = unknown_names(body)
    if names:
        log.debug("unknown parameters", request=request_id_of(request.scope), names=", ".join(names))
