"""The visit that the present task works on; `api.auth` sets it, tasks started from there inherit it."""

from __future__ import annotations

from contextvars import ContextVar

from gateway.tenancy.tenant import Tenant
from gateway.tenancy.visit import Visit

_CURRENT: ContextVar[Visit] = ContextVar("visit")


def current() -> Tenant:
    """Who asks. Outside of a request: somebody without a key, who may do everything."""
    return visit().tenant


def visit() -> Visit:
    return _CURRENT.get(None) or Visit(Tenant(None))


def set_current(visit: Visit) -> None:
    _CURRENT.set(visit)
