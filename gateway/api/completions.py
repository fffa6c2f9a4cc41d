"""POST /v1/completions, in OpenAI's dialect: prompts as they are, without a chat template."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.chat import CHAT_KINDS
from gateway.api.disconnect import while_connected
from gateway.api.edge import log_unknown, note_work
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.api.sse import EventStream
from gateway.api.streams import Events, Renamed, Several
from gateway.dialects.openai.answer import Identity
from gateway.dialects.openai.completion_answer import CompletionAnswer, CompletionWriter
from gateway.dialects.openai.completions import (
    PARAMETERS,
    CompletionRequest,
    client_param,
    options,
    parse_completion,
    to_works,
)
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.structured import grammar_param
from gateway.dialects.wire_paths import ClientWords
from gateway.routing.registry import ModelEntry
from shared.messages import Generate

router = APIRouter(tags=["completions"])


@router.post(
    "/v1/completions",
    summary="Complete a text",
    description="OpenAI's legacy completions with vLLM's sampling parameters; `stream: true` answers with SSE.",
    openapi_extra=json_body(CompletionRequest),
    response_class=JSONResponse,
)
async def completions(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_completion(body)
    log_unknown(request, unknown_names(body, PARAMETERS))
    entry = node.registry.resolve(parsed.model, CHAT_KINDS)
    identity = Identity(f"cmpl-{node.new_id()}", int(time.time()), entry.name, node.fingerprint)
    works = to_works(parsed, identity.id)
    note_work(request, entry.name, identity.id)
    names = [work.request for work in works]
    wanted = options(parsed)
    open_all = partial(_open_all, node, entry, parsed, works)
    if wanted.stream:
        writer = CompletionWriter(identity, names, wanted)
        return EventStream(open_all, writer, node.config.server.keep_alive, lambda: node.waiting_for(entry))
    answer = CompletionAnswer(identity, names, wanted)
    return JSONResponse(await while_connected(request.receive, _complete(open_all(), answer)))


def _open_all(node: Node, entry: ModelEntry, parsed: CompletionRequest, works: tuple[Generate, ...]) -> Events:
    """One prompt is opened here and now, so that the door's refusal is plain; several once they are read."""

    def open_one(index: int, work: Generate) -> Events:
        words = ClientWords(grammar=grammar_param(parsed))

        def told(param: str | None, message: str) -> tuple[str | None, str]:
            return words.told(client_param(parsed, index, param), message)

        return Renamed(node.open(entry, work), told)

    opens = [partial(open_one, index, work) for index, work in enumerate(works)]
    return opens[0]() if len(opens) == 1 else Several(opens)


async def _complete(events: Events, answer: CompletionAnswer) -> dict[str, Any]:
    async with events as stream:
        for event in await stream.whole():
            answer.add(event)
    return answer.result(stream.usage)
