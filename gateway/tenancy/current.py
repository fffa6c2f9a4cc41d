"""The tenant of the request that the present task works on; `api.auth` sets it, tasks started from there inherit it."""

from __future__ import annotations

from contextvars import ContextVar

from gateway.tenancy.tenant import Tenant

_CURRENT: ContextVar[Tenant] = ContextVar("tenant")


def current() -> Tenant:
    """Outside of a request: somebody without a key, who may do everything."""
    return _CURRENT.get(None) or Tenant(None)


def set_current(tenant: Tenant) -> None:
    _CURRENT.set(tenant)
