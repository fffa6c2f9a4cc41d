from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.lifecycle import State
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import LOADING, READY, make_app, make_node


async def get(node, path, method="GET"):
    return await Exchange(make_app(node), path, method=method).run()


async def test_health_is_the_gateways_life():
    node = make_node()
    node.fleet.facts[:] = [replace(READY, state=State.QUARANTINED)]
    done = await get(node, "/health")
    assert (done.status, json.loads(done.body)) == (200, {"status": "ok"})


async def test_ready():
    done = await get(make_node(), "/health/ready")
    assert done.status == 200
    assert json.loads(done.body) == {
        "status": "ready",
        "models": {"chat": {"state": "ready"}, "org/whisper": {"state": "ready"}},
    }


async def test_loading_is_told_truthfully():
    node = make_node()
    node.fleet.facts[0] = LOADING
    done = await get(node, "/health/ready")
    body = json.loads(done.body)
    assert (done.status, done.headers["retry-after"], body["status"]) == (503, "1", "loading")
    assert body["models"]["chat"] == {"state": "loading", "stage": "load", "fraction": 0.4, "detail": ""}
    assert body["models"]["org/whisper"] == {"state": "ready"}


@pytest.mark.parametrize(("state", "status"), [(State.BACKOFF, "loading"), (State.QUARANTINED, "degraded")])
async def test_a_model_that_is_down_says_why(state, status):
    node = make_node()
    node.fleet.facts[0] = replace(READY, state=state, last_error="no such folder")
    done = await get(node, "/health/ready")
    body = json.loads(done.body)
    assert (done.status, body["status"]) == (503, status)
    assert body["models"]["chat"] == {"state": state, "error": "no such folder"}


async def test_an_old_error_of_a_ready_model_is_history():
    node = make_node()
    node.fleet.facts[0] = replace(READY, last_error="killed")
    assert json.loads((await get(node, "/health/ready")).body)["models"]["chat"] == {"state": "ready"}


async def test_head_of_the_root():
    done = await get(make_node(), "/", "HEAD")
    assert (done.status, done.body) == (200, b"")
