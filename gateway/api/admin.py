"""POST /admin/reload: the configuration as it is now, applied to the running node."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.reload import Reloader
from gateway.tenancy.current import current
from shared.errors import ConfigError, InvalidRequest

router = APIRouter(tags=["admin"])


@router.post("/admin/reload", summary="Read the configuration again; a mistake changes nothing; for admins")
async def reload(request: Request) -> JSONResponse:
    current().require_admin()
    reloader: Reloader = request.app.state.reloader
    try:
        return JSONResponse({"status": "ok", "needs_restart": await reloader.reload()})
    except ConfigError as error:
        raise InvalidRequest(error.message) from error
