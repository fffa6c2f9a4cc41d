from __future__ import annotations

import json

from gateway.tenancy.keyfile import digest
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import LOADING, make_app, make_node


async def get(node, path):
    done = await Exchange(make_app(node), path, method="GET").run()
    return done.status, json.loads(done.body)


async def test_the_list():
    node = make_node()
    node.fleet.facts[0] = LOADING
    status, body = await get(node, "/v1/models")
    assert (status, body["object"]) == (200, "list")
    assert body["data"][0] == {
        "id": "chat",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "mlx-gateway",
        "kind": "llm",
        "aliases": ["gpt-4o"],
        "capabilities": [],
        "context": 4096,
        "max_model_len": 4096,
        "state": "loading",
    }
    assert body["data"][1]["id"] == "org/whisper"


async def test_an_id_with_a_slash():
    assert (await get(make_node(), "/v1/models/org/whisper"))[1]["kind"] == "stt"


async def test_an_unknown_model():
    status, body = await get(make_node(), "/v1/models/chad")
    assert (status, body["error"]["code"], body["error"]["param"]) == (404, "model_not_found", "model")


async def test_a_model_without_a_worker_is_stopped():
    node = make_node()
    node.fleet.facts.clear()
    assert (await get(node, "/v1/models/chat"))[1]["state"] == "stopped"


async def test_admins_load_and_unload() -> None:
    node = make_node()
    for verb in ("load", "unload"):
        done = await Exchange(make_app(node), f"/v1/models/org/whisper/{verb}").run()
        assert (done.status, json.loads(done.body)["id"]) == (200, "org/whisper")
    assert node.fleet.calls == ["load org/whisper", "unload org/whisper"]
    assert (await Exchange(make_app(node), "/v1/models/nowhere/load").run()).status == 404


async def test_users_do_not_load() -> None:
    ring = KeyRing([KeyConfig(name="ana", key_sha256=digest("k"))])
    node = make_node(ring=ring)
    for verb in ("load", "unload"):
        assert (await Exchange(make_app(node), f"/v1/models/chat/{verb}", x_api_key="k").run()).status == 403
    assert node.fleet.calls == []
