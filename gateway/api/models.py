"""GET /v1/models: OpenAI's model list, with what a client of several modalities wants to know besides."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gateway.api.node import Node, NodeDep
from gateway.routing.registry import ModelEntry
from gateway.supervisor.snapshot import WorkerFacts
from shared.lifecycle import State
from shared.messages import Kind

router = APIRouter(tags=["models"])

ALL_KINDS: tuple[Kind, ...] = get_args(Kind)


@router.get("/v1/models", summary="List the hosted models")
async def list_models(node: NodeDep) -> JSONResponse:
    facts = node.facts()
    return JSONResponse({"object": "list", "data": [describe(entry, facts.get(entry.name)) for entry in node.registry]})


@router.get("/v1/models/{model:path}", summary="One model, by its id or an alias")
async def get_model(model: str, node: NodeDep) -> JSONResponse:
    return JSONResponse(_one(node, model))


def _one(node: Node, name: str) -> dict[str, Any]:
    entry = node.registry.resolve(name, ALL_KINDS)
    return describe(entry, node.facts().get(entry.name))


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
