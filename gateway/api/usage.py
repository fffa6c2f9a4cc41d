"""What was used: GET /v1/me/usage for everybody, GET /admin/usage for admins; JSON or CSV."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from gateway.api.node import Node, NodeDep
from gateway.tenancy.current import current
from gateway.tenancy.report import GROUPS, By, to_csv, totals
from shared.errors import InvalidRequest, NotFound

router = APIRouter(tags=["usage"])

Since = Annotated[date | None, Query(description="first day, UTC")]
Until = Annotated[date | None, Query(description="last day, UTC")]
Groups = Annotated[str, Query(description="some of key, model, endpoint, day, with commas between")]


@router.get("/v1/me/usage", summary="What your key has used, and what is left of its limits")
async def my_usage(node: NodeDep, by: Groups = "model", since: Since = None, until: Until = None) -> JSONResponse:
    tenant = current()
    rows = await _rows(node, _groups(by), since, until, tenant.name)
    limits = [
        {"measure": one.measure, "limit": one.most, "used": one.used, "remaining": one.remaining, "reset": one.reset}
        for one in tenant.limits()
    ]
    return JSONResponse({"object": "usage", "key": tenant.name, "data": rows, "limits": limits})


@router.get("/admin/usage", summary="What all keys have used, by key, model, endpoint or day", response_model=None)
async def all_usage(
    node: NodeDep,
    by: Groups = "key",
    since: Since = None,
    until: Until = None,
    key: str | None = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 (the parameter's public name)
) -> Response:
    current().require_admin()
    groups = _groups(by)
    rows = await _rows(node, groups, since, until, key)
    if format == "csv":
        return Response(to_csv(rows, groups), media_type="text/csv; charset=utf-8")
    return JSONResponse({"object": "usage", "data": rows})


def _groups(by: str) -> list[By]:
    names = [name.strip() for name in by.split(",") if name.strip()]
    found = [group for name in names for group in GROUPS if group == name]
    if len(found) != len(names) or len(set(names)) != len(names):
        raise InvalidRequest(f"'by' takes some of {', '.join(GROUPS)}, each once.", param="by")
    return found


async def _rows(
    node: Node, by: list[By], since: date | None, until: date | None, key: str | None
) -> list[dict[str, Any]]:
    if node.ledger is None:
        raise NotFound("This node keeps no usage.")
    return await asyncio.to_thread(totals, node.ledger.file, by, since, until, key)
