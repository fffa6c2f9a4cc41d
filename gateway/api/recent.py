"""GET /admin/errors: what went wrong lately, for admins."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gateway.api.node import NodeDep
from gateway.tenancy.current import current

router = APIRouter(tags=["status"])


@router.get("/admin/errors", summary="The last requests that failed, newest first; for admins")
async def recent_errors(node: NodeDep) -> JSONResponse:
    current().require_admin()
    return JSONResponse({"object": "list", "data": [asdict(failure) for failure in node.failures.latest()]})
