from __future__ import annotations

import json
from dataclasses import replace

from gateway.routing.dispatch import Times
from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from shared.messages import Stats, Usage
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import LOADING, READY, make_app, make_node
from tests.fakes.tenancy import OpenStream

STATS = Stats(9, 1, 0, 70, 40, 30, cache_bytes=5, active_bytes=50, peak_bytes=60)


async def test_status():
    node = make_node()
    node.fleet.facts[:] = [replace(READY, stats=STATS), replace(LOADING, name="org/whisper")]
    node.metrics.on_queued("chat", Times(0.0))
    node.metrics.on_sent("chat", Times(0.0, 1.0))
    node.metrics.on_queued("chat", Times(0.0))
    done = await Exchange(make_app(node), "/v1/status", method="GET").run()
    body = json.loads(done.body)
    assert (done.status, body["version"], body["status"]) == (200, "1.2.3", "loading")
    assert body["uptime"] >= 0
    assert (body["key"], body["people"]) == ({"name": "", "role": "admin"}, [])
    assert body["requests"] == {"running": 1, "waiting": 1}
    assert body["tokens_per_second"] == 12.5
    assert body["memory"] == {
        "budget": 0,
        "reserved": 0,
        "pressure": "normal",
        "total": 0,
        "available": 0,
        "swap": 0,
        "swap_growth": 0,
        "resident": 20,
        "active": 50,
        "peak": 60,
        "cache": 5,
    }
    assert body["models"][0]["requests"] == {"running": 1, "waiting": 1}
    worker = body["workers"][0]
    assert (worker["name"], worker["state"], worker["pid"], worker["stats"]["steps"]) == ("chat", "ready", 4711, 9)


async def test_who_does_what_is_for_admins():
    keys = [
        KeyConfig(name="ana", key_sha256=keyfile.digest("good")),
        KeyConfig(name="root", key_sha256=keyfile.digest("admin"), role="admin"),
    ]
    node = make_node(ring=KeyRing(keys))
    ana = node.ring.tenants[0]
    for state, tokens in (("running", 5), ("queued", 0), ("running", 2)):
        stream = OpenStream()
        stream.state, stream.usage = state, Usage(completion_tokens=tokens)
        ana.opened(stream)
    ana.closed(stream)  # its tokens still count
    app = make_app(node)
    done = await Exchange(app, "/v1/status", method="GET", authorization="Bearer admin").run()
    body = json.loads(done.body)
    assert body["key"] == {"name": "root", "role": "admin"}
    assert body["people"] == [
        {"name": "ana", "running": 1, "waiting": 1, "generated": 7},
        {"name": "root", "running": 0, "waiting": 0, "generated": 0},
    ]
    done = await Exchange(app, "/v1/status", method="GET", authorization="Bearer good").run()
    body = json.loads(done.body)
    assert (body["key"], body["people"]) == ({"name": "ana", "role": "user"}, [])


async def test_metrics():
    node = make_node()
    done = await Exchange(make_app(node), "/metrics", method="GET").run()
    assert done.headers["content-type"].startswith("text/plain; version=")
    assert 'mlx_gateway:model_ready{model="chat"} 1.0' in done.body.decode()


async def test_metrics_as_openmetrics():
    accept = "application/openmetrics-text; version=1.0.0"
    done = await Exchange(make_app(make_node()), "/metrics", method="GET", accept=accept).run()
    assert done.headers["content-type"].startswith("application/openmetrics-text")
    assert done.body.endswith(b"# EOF\n")


async def test_the_routes_are_described():
    done = await Exchange(make_app(make_node()), "/openapi.json", method="GET").run()
    paths = json.loads(done.body)["paths"]
    assert {"/v1/chat/completions", "/v1/models", "/tokenize", "/detokenize", "/health", "/v1/status"} <= set(paths)
    for operations in paths.values():
        assert all(operation["summary"] and operation["tags"] for operation in operations.values())
    chat = paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"messages", "temperature", "stop"} <= set(chat["properties"])
    assert "$ref" not in json.dumps(chat)
