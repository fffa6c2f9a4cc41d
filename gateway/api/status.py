"""What an operator wants to see: /v1/status as JSON, /metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.models import describe
from gateway.api.node import Node, NodeDep
from gateway.routing.registry import ModelEntry
from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts
from gateway.tenancy.current import current

router = APIRouter(tags=["status"])


@router.get("/v1/status", summary="Workers, queues, requests in flight, tokens a second, memory")
async def status(node: NodeDep) -> JSONResponse:
    snapshot = node.fleet.snapshot()
    facts = node.facts()
    return JSONResponse(
        {
            "version": node.version,
            "status": "stopping" if node.door.closed else snapshot.status,
            "uptime": round(time.monotonic() - node.started, 3),  # seconds
            "requests": {
                "running": sum(node.metrics.running.values()),
                "waiting": sum(node.metrics.waiting.values()),
            },
            "tokens_per_second": round(sum(one.tokens_per_second for one in facts.values()), 3),
            "memory": _of_node(snapshot) | _memory(list(facts.values())),
            "key": {"name": current().name, "role": "admin" if current().is_admin else "user"},
            "people": _people(node),
            "models": [_model(node, entry, facts.get(entry.name)) for entry in node.registry],
            "workers": [asdict(one) for one in facts.values()],
        }
    )


@router.get("/metrics", summary="Prometheus metrics, under vLLM's names where it has one", response_class=Response)
async def metrics(request: Request, node: NodeDep) -> Response:
    current().require_admin()
    body, content_type = node.metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


def _model(node: Node, entry: ModelEntry, facts: WorkerFacts | None) -> dict[str, Any]:
    requests = {"running": node.metrics.running[entry.name], "waiting": node.metrics.waiting[entry.name]}
    return describe(entry, facts) | {"requests": requests}


def _of_node(snapshot: FleetSnapshot) -> dict[str, Any]:
    """Bytes; `swap_growth` a second."""
    machine = snapshot.memory
    return {
        "budget": snapshot.budget,
        "reserved": snapshot.held,
        "pressure": snapshot.pressure,
        "total": machine.total,
        "available": machine.available,
        "swap": machine.swap,
        "swap_growth": round(machine.growth),
    }


def _people(node: Node) -> list[dict[str, Any]]:
    """What each key is doing, for admins."""
    return [asdict(tenant.activity()) for tenant in node.ring.tenants] if current().is_admin else []


def _memory(workers: Sequence[WorkerFacts]) -> dict[str, int]:
    """Bytes over all workers."""
    stats = [one.stats for one in workers if one.stats is not None]
    return {
        "resident": sum(one.rss_bytes for one in workers),
        "active": sum(one.active_bytes for one in stats),
        "peak": sum(one.peak_bytes for one in stats),
        "cache": sum(one.cache_bytes for one in stats),
    }
