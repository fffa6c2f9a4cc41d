"""Whether the gateway lives (/health) and whether the models do (/health/ready)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gateway.api.node import NodeDep
from gateway.supervisor.snapshot import WorkerFacts
from shared.lifecycle import State

router = APIRouter(tags=["health"])


@router.get("/health", summary="The gateway lives")
async def health() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@router.get("/health/ready", summary="All models are ready; 503 with each one's state while they are not")
async def ready(node: NodeDep) -> JSONResponse:
    snapshot = node.fleet.snapshot()
    body: dict[str, Any] = {
        "status": snapshot.status,
        "models": {facts.name: _state(facts) for facts in snapshot.workers},
    }
    if node.door.closed:
        body["status"] = "stopping"
    elif snapshot.status == "ready":
        return JSONResponse(body)
    return JSONResponse(body, 503, {"retry-after": "1"})


def _state(facts: WorkerFacts) -> dict[str, Any]:
    found: dict[str, Any] = {"state": facts.state}
    if facts.stage is not None:
        found |= {"stage": facts.stage, "fraction": facts.fraction, "detail": facts.detail}
    if facts.last_error is not None and facts.state is not State.READY:
        found["error"] = facts.last_error
    return found
