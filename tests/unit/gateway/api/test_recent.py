from __future__ import annotations

import json
from typing import Any

from gateway.api.node import Node
from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from gateway.tenancy.visit import Visit
from shared.config.keys import KeyConfig
from shared.errors import Overloaded
from shared.messages import Usage
from tests.fakes.asgi import Exchange
from tests.fakes.clock import FakeClock
from tests.fakes.dispatcher import make_app, make_node
from tests.fakes.tenancy import OpenStream

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "a secret"}]}


def node(**values: Any) -> Node:
    keys = [
        KeyConfig(name="ana", key_sha256=keyfile.digest("good"), **values),
        KeyConfig(name="root", key_sha256=keyfile.digest("admin"), role="admin"),
    ]
    return make_node(ring=KeyRing(keys, None, FakeClock()))


async def chat(of: Node) -> int:
    done = await Exchange(make_app(of), "/v1/chat/completions", CHAT, authorization="Bearer good").run()
    return done.status


async def errors(of: Node, key: str = "admin") -> Exchange:
    return await Exchange(make_app(of), "/admin/errors", method="GET", authorization=f"Bearer {key}").run()


async def test_a_refusal_at_the_models_door() -> None:
    one: Any = node()
    one.dispatcher.refusal = Overloaded("The model `chat` has 9 requests waiting.")
    assert await chat(one) == 429
    done = await errors(one)
    (found,) = json.loads(done.body)["data"]
    assert found.pop("at") > 0
    assert found == {"key": "ana", "model": "chat", "endpoint": "/v1/chat/completions", "code": "overloaded"}
    assert b"secret" not in done.body


async def test_a_limit_of_the_key() -> None:
    one = node(requests_per_minute=1)
    assert [await chat(one), await chat(one)] == [200, 429]
    (found,) = json.loads((await errors(one)).body)["data"]
    assert (found["key"], found["model"], found["code"]) == ("ana", "", "rate_limit_exceeded")


async def test_a_request_that_ends_with_an_error() -> None:
    one = node()
    stream: Any = OpenStream()
    stream.usage, stream.model, stream.outcome = Usage(), "chat", "worker_lost"
    visit = Visit(one.ring.tenants[0], "/v1/messages", None, one.failures)
    visit.opened(stream)
    visit.closed(stream)
    (found,) = json.loads((await errors(one)).body)["data"]
    assert (found["key"], found["model"], found["code"]) == ("ana", "chat", "worker_lost")


async def test_only_admins_see_them() -> None:
    assert (await errors(node(), "good")).status == 403
