from __future__ import annotations

from typing import Any

import pytest

from gateway.tenancy.tenant import Tenant
from gateway.tenancy.visit import Visit
from gateway.tenancy.windows import DAY, MINUTE
from shared.config.keys import KeyConfig
from shared.errors import Forbidden, RateLimited, Unauthorized
from tests.fakes.clock import FakeClock
from tests.fakes.tenancy import OpenStream


def key(**values: Any) -> KeyConfig:
    return KeyConfig(name="ana", key_sha256="a" * 64, **values)


def stream(tokens: int = 0) -> Any:
    return OpenStream(tokens)


def test_requests_a_minute_at_the_edge() -> None:
    clock = FakeClock()
    tenant = Tenant(key(requests_per_minute=2), clock)
    tenant.enter()
    clock.now += 10
    tenant.enter()
    with pytest.raises(RateLimited) as caught:
        tenant.enter()
    assert caught.value.retry_after == MINUTE - 10
    clock.now += MINUTE - 10
    tenant.enter()


@pytest.mark.parametrize(("limit", "wait"), [("tokens_per_minute", MINUTE), ("tokens_per_day", DAY - 1000)])
def test_tokens_at_the_edge(limit: str, wait: float) -> None:
    clock = FakeClock(1000.0)
    tenant = Tenant(key(**{limit: 100}), clock)
    for tokens in (99, 1):
        tenant.enter()
        one = stream(tokens)
        tenant.opened(one)
        tenant.closed(one)
        tenant.leave()
    with pytest.raises(RateLimited) as caught:
        tenant.enter()
    assert caught.value.retry_after == wait
    clock.now += wait
    tenant.enter()


def test_a_refused_request_counts_nowhere() -> None:
    tenant = Tenant(key(parallel=1, requests_per_minute=2), FakeClock())
    tenant.enter()
    with pytest.raises(RateLimited):
        tenant.enter()
    tenant.leave()
    tenant.enter()
    assert tenant.parallel == 1


def test_limits_as_clients_learn_them() -> None:
    tenant = Tenant(key(requests_per_minute=3, tokens_per_minute=10, parallel=4), FakeClock())
    tenant.enter()
    tenant.charge(25)
    assert [(limit.measure, limit.most, limit.remaining, limit.reset) for limit in tenant.limits()] == [
        ("requests", 3, 2, MINUTE),
        ("tokens", 10, 0, MINUTE),
        ("parallel", 4, 3, 0.0),
    ]


def test_without_limits_everything_goes() -> None:
    tenant = Tenant(key(), FakeClock())
    for _ in range(1000):
        tenant.enter()
    assert tenant.limits() == []


def test_what_a_key_may_use() -> None:
    tenant = Tenant(key(models=("qwen*", "whisper"), mcp=("wiki",)))
    assert [tenant.may_use(name) for name in ("qwen3-8b", "whisper", "llama")] == [True, True, False]
    assert [tenant.may_call(name) for name in ("wiki", "files")] == [True, False]
    nobody = Tenant(None)
    assert nobody.may_use("llama")
    assert nobody.may_call("files")


def test_roles() -> None:
    Tenant(None).require_admin()
    Tenant(key(role="admin")).require_admin()
    with pytest.raises(Forbidden):
        Tenant(key()).require_admin()


def test_revocation_ends_what_is_open_and_leaves_what_has_ended() -> None:
    tenant, open_, done = Tenant(key()), stream(), stream()
    tenant.opened(open_)
    tenant.opened(done)
    tenant.closed(done)
    tenant.revoke()
    assert open_.ended == [("invalid_api_key", "The API key was revoked.")]
    assert done.ended == []


def test_what_runs_without_a_request_counts_as_open_too() -> None:
    tenant = Tenant(key(parallel=2), FakeClock())
    for _ in range(2):
        tenant.opened(stream())
    with pytest.raises(RateLimited):
        tenant.enter()


def test_what_came_before_a_revocation_does_not_go_on_after_it() -> None:
    tenant = Tenant(key(), FakeClock())
    before = Visit(tenant, epoch=tenant.epoch)
    before.check()
    tenant.revoke()
    with pytest.raises(Unauthorized, match="revoked"):
        before.check()
    Visit(tenant, epoch=tenant.epoch).check()
