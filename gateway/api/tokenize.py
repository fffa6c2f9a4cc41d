"""POST /tokenize and /detokenize, in vLLM's shapes."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.body import read_json
from gateway.api.disconnect import while_connected
from gateway.api.edge import note_work
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import json_body
from gateway.dialects.openai.request import parse_detokenize, parse_tokenize, to_count, to_detokenize
from gateway.dialects.openai.schema import DetokenizeRequest, TokenizeRequest
from gateway.routing.registry import ModelEntry
from shared.errors import InternalError
from shared.messages import Accepted, Count, Delta, Detokenize, Kind, TextDelta, Tokens

router = APIRouter(tags=["tokens"])

TOKEN_KINDS: tuple[Kind, ...] = ("llm", "vlm")


@router.post("/tokenize", summary="Tokens of a prompt or of chat messages", openapi_extra=json_body(TokenizeRequest))
async def tokenize(request: Request, node: NodeDep) -> JSONResponse:
    parsed = parse_tokenize(await read_json(request))
    entry = node.registry.resolve(parsed.model, TOKEN_KINDS)
    work = to_count(parsed, f"tok-{node.new_id()}")
    note_work(request, entry.name, work.request)
    for event in await while_connected(request.receive, _events(node, entry, work)):
        if isinstance(event, Tokens):
            return JSONResponse(
                {
                    "count": len(event.tokens),
                    "max_model_len": event.context,
                    "tokens": list(event.tokens),
                    "token_strs": None,
                }
            )
    raise InternalError("The model did not answer with tokens.")


@router.post("/detokenize", summary="Text of token ids", openapi_extra=json_body(DetokenizeRequest))
async def detokenize(request: Request, node: NodeDep) -> JSONResponse:
    parsed = parse_detokenize(await read_json(request))
    entry = node.registry.resolve(parsed.model, TOKEN_KINDS)
    work = to_detokenize(parsed, f"detok-{node.new_id()}")
    note_work(request, entry.name, work.request)
    events = await while_connected(request.receive, _events(node, entry, work))
    return JSONResponse({"prompt": "".join(event.text for event in events if isinstance(event, TextDelta))})


async def _events(node: Node, entry: ModelEntry, work: Count | Detokenize) -> Sequence[Accepted | Delta]:
    async with node.open(entry, work) as stream:
        return [event async for event in stream]
