"""POST /v1/embeddings, in OpenAI's dialect."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.ask import ask
from gateway.api.body import THREAD_FROM, read_json
from gateway.api.edge import log_unknown
from gateway.api.node import NodeDep
from gateway.api.openapi import json_body
from gateway.dialects.openai.embeddings import (
    PARAMETERS,
    EmbeddingsRequest,
    find_vectors,
    parse_embeddings,
    to_embed,
    to_embeddings,
)
from gateway.dialects.openai.parameters import unknown_names
from gateway.routing.registry import DEFAULT
from shared.messages import Kind

router = APIRouter(tags=["embeddings"])

EMBEDDING_KINDS: tuple[Kind, ...] = ("embedding",)


@router.post(
    "/v1/embeddings",
    summary="Vectors of texts or of token ids",
    openapi_extra=json_body(EmbeddingsRequest),
    response_class=JSONResponse,
)
async def embeddings(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_embeddings(body)
    log_unknown(request, unknown_names(body, PARAMETERS))
    entry = node.registry.resolve(parsed.model or DEFAULT, EMBEDDING_KINDS)
    work = to_embed(parsed, f"embd-{node.new_id()}")
    events, usage = await ask(request, node, entry, work)
    vectors = find_vectors(events, len(work.inputs))
    render = partial(to_embeddings, vectors, entry.name, parsed.encoding_format, usage)
    large = len(vectors.data.data) > THREAD_FROM
    return Response(await asyncio.to_thread(render) if large else render(), media_type="application/json")
