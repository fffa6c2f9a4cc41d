from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.api.node import Node
from gateway.tenancy import keyfile
from gateway.tenancy.ledger import Ledger, Record
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from tests.fakes.asgi import Exchange
from tests.fakes.clock import FakeClock
from tests.fakes.dispatcher import make_app, make_node

ONE = Record(1e9, "ana", "chat", "/v1/chat/completions", 10, 4, 5, 0.0, 0.1, 0.5, 2.0, "stop")


@pytest.fixture
async def node(tmp_path: Path) -> Any:
    keys = [
        KeyConfig(name="ana", key_sha256=keyfile.digest("good"), tokens_per_day=100),
        KeyConfig(name="root", key_sha256=keyfile.digest("admin"), role="admin"),
    ]
    ledger = Ledger(tmp_path / "usage.db", 1e12, lambda: 0.0)
    ledger.start()
    for record in (ONE, replace(ONE, model="other"), replace(ONE, key="ben", prompt_tokens=100)):
        await ledger.record(record).wait()
    yield replace(make_node(ring=KeyRing(keys, None, FakeClock())), ledger=ledger)
    ledger.close()


async def get(node: Node, path: str, key: str, query: str = "") -> Exchange:
    exchange = Exchange(make_app(node), path, method="GET", x_api_key=key)
    exchange.scope["query_string"] = query.encode()
    return await exchange.run()


async def test_everybody_sees_what_they_used_and_no_more(node: Node) -> None:
    body = json.loads((await get(node, "/v1/me/usage", "good")).body)
    assert [(row["model"], row["prompt_tokens"]) for row in body["data"]] == [("chat", 10), ("other", 10)]
    assert (body["key"], body["limits"][0]["measure"], body["limits"][0]["limit"]) == ("ana", "tokens_per_day", 100)


async def test_admins_see_all(node: Node) -> None:
    body = json.loads((await get(node, "/admin/usage", "admin", "by=key,model")).body)
    assert [(row["key"], row["model"]) for row in body["data"]] == [("ana", "chat"), ("ana", "other"), ("ben", "chat")]
    narrowed = json.loads((await get(node, "/admin/usage", "admin", "by=model&key=ben&since=2001-09-09")).body)
    assert [row["prompt_tokens"] for row in narrowed["data"]] == [100]
    assert json.loads((await get(node, "/admin/usage", "admin", "since=2001-09-10")).body)["data"] == []


async def test_csv(node: Node) -> None:
    done = await get(node, "/admin/usage", "admin", "format=csv")
    assert done.headers["content-type"].startswith("text/csv")
    assert done.body.decode().splitlines()[1].startswith("ana,2,0,20")


async def test_users_are_not_admins(node: Node) -> None:
    done = await get(node, "/admin/usage", "good")
    assert (done.status, json.loads(done.body)["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("query", ["by=colour", "by=key,key", "since=yesterday", "format=xml"])
async def test_bad_questions(node: Node, query: str) -> None:
    assert (await get(node, "/admin/usage", "admin", query)).status == 400


async def test_a_node_without_a_ledger() -> None:
    assert (await Exchange(make_app(make_node()), "/v1/me/usage", method="GET").run()).status == 404
