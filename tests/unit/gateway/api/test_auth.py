from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from tests.fakes.asgi import Exchange
from tests.fakes.clock import FakeClock
from tests.fakes.dispatcher import make_app, make_node

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {**CHAT, "max_tokens": 5}
PATH = "/v1/chat/completions"


def ring(clock: FakeClock | None = None, **values: Any) -> KeyRing:
    keys = [
        KeyConfig(name="ana", key_sha256=keyfile.digest("good"), **values),
        KeyConfig(name="root", key_sha256=keyfile.digest("admin"), role="admin"),
    ]
    return KeyRing(keys, None, clock or FakeClock())


async def ask(node: Any, path: str = PATH, body: Any = None, method: str = "POST", **headers: str) -> Exchange:
    return await Exchange(make_app(node), path, CHAT if body is None else body, method, **headers).run()


def routes() -> list[tuple[str, str]]:
    schema = make_app(make_node()).openapi()
    return [(path, method.upper()) for path, methods in schema["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), [*routes(), ("/openapi.json", "GET"), ("/docs", "GET"), ("/x", "GET")])
@pytest.mark.parametrize(
    "header", [{}, {"authorization": "Bearer bad"}, {"x_api_key": "bad"}, {"authorization": "good"}]
)
async def test_every_route_but_health_wants_a_key(path: str, method: str, header: dict[str, str]) -> None:
    done = await ask(make_node(ring=ring()), path.replace("{model}", "chat"), method=method, **header)
    assert (done.status == 401) == (path != "/health")
    if done.status == 401:
        assert done.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", [{"authorization": "Bearer good"}, {"authorization": "bearer  good"}, {"x_api_key": "good"}]
)
async def test_both_ways_to_send_a_key(header: dict[str, str]) -> None:
    node = make_node(ring=ring())
    done = await ask(node, **header)
    assert done.status == 200
    dispatcher: Any = node.dispatcher
    assert dispatcher.tenants[0].name == "ana"


async def test_the_refusal_speaks_the_callers_dialect() -> None:
    node = make_node(ring=ring())
    openai = json.loads((await ask(node)).body)["error"]
    assert (openai["type"], openai["code"]) == ("authentication_error", "invalid_api_key")
    anthropic = json.loads((await ask(node, "/v1/messages", MESSAGE)).body)
    assert anthropic["error"]["type"] == "authentication_error"


async def test_without_keys_nobody_needs_one() -> None:
    assert (await ask(make_node())).status == 200


async def test_a_model_that_one_may_not_use_does_not_exist() -> None:
    node = make_node(ring=ring(models=("org/*",)))
    listed = json.loads((await ask(node, "/v1/models", method="GET", x_api_key="good")).body)
    assert [model["id"] for model in listed["data"]] == ["org/whisper"]
    for body in (CHAT, {**CHAT, "model": "gpt-4o"}, {**CHAT, "model": "cha"}):
        done = await ask(node, body=body, x_api_key="good")
        assert done.status == 404
        assert b"Did you mean" not in done.body
    status = json.loads((await ask(node, "/v1/status", method="GET", x_api_key="good")).body)
    assert [worker["name"] for worker in status["workers"]] == ["org/whisper"]
    assert (await ask(node, x_api_key="admin")).status == 200


async def test_metrics_are_for_admins() -> None:
    node = make_node(ring=ring())
    assert (await ask(node, "/metrics", method="GET", x_api_key="good")).status == 403
    assert (await ask(node, "/metrics", method="GET", x_api_key="admin")).status == 200


async def test_a_limit_and_its_headers() -> None:
    node = make_node(ring=ring(requests_per_minute=2))
    first, second, third = [await ask(node, x_api_key="good") for _ in range(3)]
    assert [done.status for done in (first, second, third)] == [200, 200, 429]
    assert [done.headers["x-ratelimit-remaining-requests"] for done in (first, second, third)] == ["1", "0", "0"]
    assert (third.headers["retry-after"], third.headers["x-ratelimit-reset-requests"]) == ("60", "60000ms")
    assert json.loads(third.body)["error"]["code"] == "rate_limit_exceeded"


async def test_anthropics_limit_headers() -> None:
    node = make_node(ring=ring(requests_per_minute=1))
    first, second = [await ask(node, "/v1/messages", MESSAGE, x_api_key="good") for _ in range(2)]
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert (second.status, json.loads(second.body)["error"]["type"]) == (429, "rate_limit_error")


@pytest.mark.parametrize(
    ("path", "method"), [("/v1/models", "GET"), ("/v1/messages/count_tokens", "POST"), ("/v1/status", "GET")]
)
async def test_what_costs_nothing_is_not_counted(path: str, method: str) -> None:
    node = make_node(ring=ring(requests_per_minute=1))
    for _ in range(3):
        assert (await ask(node, path, MESSAGE, method, x_api_key="good")).status != 429


async def test_a_request_counts_as_open_until_its_stream_has_ended() -> None:
    node = make_node(ring=ring(parallel=1))
    tenant = node.ring.tenant("good")
    open_while_streaming: list[int] = []
    exchange = Exchange(make_app(node), PATH, {**CHAT, "stream": True}, x_api_key="good")
    exchange.on_body = lambda _: open_while_streaming.append(tenant.parallel)
    await exchange.run()
    assert set(open_while_streaming) == {1}
    assert tenant.parallel == 0


@pytest.mark.parametrize("path", ["/rerank", "/v2/rerank", "/v1/embeddings", "/v1/responses", "/v1/mcp/execute"])
async def test_every_way_to_work_is_counted(path: str) -> None:
    node = make_node(ring=ring(requests_per_minute=1))
    first, second = [await ask(node, path, x_api_key="good") for _ in range(2)]
    assert first.status != 429
    assert second.status == 429


async def test_a_key_revoked_under_an_upload_is_refused() -> None:
    keys = ring()
    node = make_node(ring=keys)
    exchange = Exchange(
        make_app(node), PATH, [json.dumps(CHAT).encode()[:9], json.dumps(CHAT).encode()[9:]], x_api_key="good"
    )
    receive = exchange._receive

    async def revoked_meanwhile() -> dict[str, Any]:
        keys.configure([])
        return await receive()

    exchange._receive = revoked_meanwhile  # type: ignore[method-assign]
    await exchange.run()
    assert (exchange.status, json.loads(exchange.body)["error"]["code"]) == (401, "invalid_api_key")
