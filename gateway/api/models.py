"""GET /v1/models: OpenAI's model list, with what a client of several modalities wants to know besides.

A client that sends `anthropic-version` gets Anthropic's list, of the models that its API can use.
"""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.chat import CHAT_KINDS
from gateway.api.errors import speaks_anthropic
from gateway.api.node import Node, NodeDep
from gateway.dialects.anthropic.models import parse_page, to_list, to_model
from gateway.routing.registry import ModelEntry
from gateway.supervisor.snapshot import WorkerFacts
from gateway.tenancy.current import current
from shared.lifecycle import State
from shared.messages import Kind

router = APIRouter(tags=["models"])

ALL_KINDS: tuple[Kind, ...] = get_args(Kind)


@router.get("/v1/models", summary="List the hosted models")
async def list_models(request: Request, node: NodeDep) -> JSONResponse:
    if speaks_anthropic(request.scope):
        entries = [entry for entry in node.registry if entry.can(CHAT_KINDS)]
        return JSONResponse(to_list([_for_anthropic(entry) for entry in entries], parse_page(request.query_params)))
    facts = node.facts()
    return JSONResponse({"object": "list", "data": [describe(entry, facts.get(entry.name)) for entry in node.registry]})


@router.post("/v1/models/{model:path}/load", summary="Load a model and wait for it; for admins")
async def load_model(model: str, node: NodeDep) -> JSONResponse:
    current().require_admin()
    entry = node.registry.resolve(model, ALL_KINDS)
    await node.fleet.load(entry.name)
    return JSONResponse(describe(entry, node.facts().get(entry.name)))


@router.post("/v1/models/{model:path}/unload", summary="Let a model finish its requests and unload it; for admins")
async def unload_model(model: str, node: NodeDep) -> JSONResponse:
    current().require_admin()
    entry = node.registry.resolve(model, ALL_KINDS)
    await node.fleet.unload(entry.name)
    return JSONResponse(describe(entry, node.facts().get(entry.name)))


@router.get("/v1/models/{model:path}", summary="One model, by its id or an alias")
async def get_model(request: Request, model: str, node: NodeDep) -> JSONResponse:
    if speaks_anthropic(request.scope):
        return JSONResponse(_for_anthropic(node.registry.resolve(model, ALL_KINDS)))
    return JSONResponse(_one(node, model))


def _one(node: Node, name: str) -> dict[str, Any]:
    entry = node.registry.resolve(name, ALL_KINDS)
    return describe(entry, node.facts().get(entry.name))


def _for_anthropic(entry: ModelEntry) -> dict[str, Any]:
    return to_model(entry.name, entry.created, entry.context)


def describe(entry: ModelEntry, facts: WorkerFacts | None) -> dict[str, Any]:
    """OpenAI's model object and our own fields. `context` (vLLM: max_model_len) in tokens, null until it is known."""
    known = {"voices": entry.voices, "languages": entry.languages, "dimensions": entry.dimensions}
    return {
        "id": entry.name,
        "object": "model",
        "created": entry.created,
        "owned_by": "mlx-gateway",
        "kind": entry.kind,
        "aliases": list(entry.aliases),
        "capabilities": list(entry.capabilities),
        "context": entry.context,
        "max_model_len": entry.context,
        "state": facts.state if facts is not None else State.STOPPED,
        **{name: value for name, value in known.items() if value},
    }
