"""POST /v1/rerank, /v2/rerank and /rerank: documents in the order of their relevance, in Cohere's and Jina's shapes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.ask import ask
from gateway.api.body import read_json
from gateway.api.edge import log_unknown
from gateway.api.node import NodeDep
from gateway.api.openapi import json_body
from gateway.dialects.cohere.rerank import PARAMETERS, RerankRequest, parse_rerank, to_rerank, to_results
from gateway.dialects.openai.parameters import unknown_names
from gateway.routing.registry import DEFAULT, ModelEntry, Registry
from shared.errors import ModelNotFound, WrongModality
from shared.messages import Kind

router = APIRouter(tags=["rerank"])

RERANKER_KINDS: tuple[Kind, ...] = ("reranker",)
RERANK_KINDS: tuple[Kind, ...] = ("reranker", "embedding")


@router.post("/v1/rerank", summary="Sort documents by relevance to a query", openapi_extra=json_body(RerankRequest))
@router.post("/v2/rerank", summary="The same, where Cohere's v2 has it", openapi_extra=json_body(RerankRequest))
@router.post("/rerank", summary="The same, where vLLM has it", openapi_extra=json_body(RerankRequest))
async def rerank(request: Request, node: NodeDep) -> JSONResponse:
    body = await read_json(request)
    parsed = parse_rerank(body)
    log_unknown(request, unknown_names(body, PARAMETERS))
    entry = _resolve(node.registry, parsed.model or DEFAULT)
    work = to_rerank(parsed, f"rerank-{node.new_id()}")
    events, usage = await ask(request, node, entry, work)
    return JSONResponse(to_results(events, parsed, work.request, entry.name, usage))


def _resolve(registry: Registry, name: str) -> ModelEntry:
    """A reranker where the name has one: beside it, an embedding model of the same alias is second best."""
    try:
        return registry.resolve(name, RERANKER_KINDS)
    except (ModelNotFound, WrongModality):
        return registry.resolve(name, RERANK_KINDS)
