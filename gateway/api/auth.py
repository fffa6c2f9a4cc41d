"""Who asks, and whether they may: the key on every route but /health and the page, then the key's limits.

Plain ASGI, in front of everything that reads a body. Limits count POST requests to the models.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.errors import error_response, speaks_anthropic
from gateway.tenancy.current import set_current
from gateway.tenancy.failures import Failures
from gateway.tenancy.ledger import Ledger
from gateway.tenancy.ring import KeyRing
from gateway.tenancy.tenant import Tenant
from gateway.tenancy.visit import Visit
from gateway.tenancy.windows import Limit
from shared.errors import RequestError, Unauthorized

OPEN = frozenset({"/", "/health"})  # the page holds no data; it asks for a key
_PAGE = "/page/"
_UNCOUNTED = (
    *("/v1/messages/count_tokens", "/v1/responses/input_tokens", "/tokenize", "/detokenize"),
    *("/v1/models/", "/admin/"),
)


class Authenticate:
    """Refuses requests without a valid key, once the node has keys; notes the tenant for everything inside."""

    def __init__(self, app: ASGIApp, ring: KeyRing, ledger: Ledger | None, failures: Failures) -> None:
        self.app = app
        self.ring = ring
        self.ledger = ledger
        self.failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith(_PAGE):
            await self.app(scope, receive, send)
            return
        try:
            tenant = self.ring.tenant(presented(Headers(scope=scope)))
        except Unauthorized as error:
            response = error_response(error, scope)
            response.headers["www-authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        visit = Visit(tenant, scope["path"], self.ledger, self.failures, epoch=tenant.epoch)
        set_current(visit)
        scope["state"]["tenant"] = tenant.name

        async def send_with_keywords(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(keyword_headers(visit))
            await send(message)

        if is_counted(scope):
            await self._limited(tenant, scope, receive, send_with_keywords)
        else:
            await self.app(scope, receive, send_with_keywords)

    async def _limited(self, tenant: Tenant, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(limit_headers(tenant.limits(), speaks_anthropic(scope)))
            await send(message)

        try:
            tenant.enter()
        except RequestError as error:
            self.failures.note(error.code, key=tenant.name, model="", endpoint=scope["path"])
            await error_response(error, scope)(scope, receive, send_with_limits)
            return
        try:
            await self.app(scope, receive, send_with_limits)
        finally:
            tenant.leave()


def keyword_headers(visit: Visit) -> dict[str, str]:
    """Which keywords of the request's schemas were not bound, and which of them the answer breaks, as far as known."""
    found = {
        "x-mlx-gateway-unbound": {name for stream in visit.streams for name in stream.unbound},
        "x-mlx-gateway-unmet": {name for stream in visit.streams for name in stream.unmet},
    }
    return {header: ", ".join(sorted(names)) for header, names in found.items() if names}


def presented(headers: Headers) -> str | None:
    """The key in the request: a Bearer token, or Anthropic's `x-api-key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def is_counted(scope: Scope) -> bool:
    path = scope["path"]
    return scope["method"] == "POST" and not path.startswith(_UNCOUNTED) and not path.endswith("/cancel")


def limit_headers(limits: list[Limit], anthropic: bool) -> dict[str, str]:
    """The limits in OpenAI's or Anthropic's headers.

    https://platform.openai.com/docs/guides/rate-limits, https://docs.claude.com/en/api/rate-limits
    """
    found: dict[str, str] = {}
    for limit in limits:
        name = limit.measure.replace("_", "-")
        if anthropic:
            at = datetime.now(UTC) + timedelta(seconds=limit.reset)
            values = (str(limit.most), str(limit.remaining), at.isoformat(timespec="seconds").replace("+00:00", "Z"))
            found |= dict(
                zip(
                    (f"anthropic-ratelimit-{name}-{what}" for what in ("limit", "remaining", "reset")),
                    values,
                    strict=True,
                )
            )
        else:
            values = (str(limit.most), str(limit.remaining), f"{math.ceil(limit.reset * 1000)}ms")
            found |= dict(
                zip((f"x-ratelimit-{what}-{name}" for what in ("limit", "remaining", "reset")), values, strict=True)
            )
    return found
