from __future__ import annotations

import json
import logging

import pytest

from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app, make_node

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "a secret prompt"}]}
PATH = "/v1/chat/completions"


@pytest.mark.parametrize("given", ["abc-1", "a.b:c_d"])
async def test_a_sane_request_id_is_kept(given):
    done = await Exchange(make_app(make_node()), "/health", method="GET", x_request_id=given).run()
    assert done.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é", 'a"b'])
async def test_any_other_is_replaced(given):
    done = await Exchange(make_app(make_node()), "/health", method="GET", x_request_id=given).run()
    assert len(done.headers["x-request-id"]) == 32


@pytest.mark.parametrize(("path", "method"), [("/nowhere", "GET"), (PATH, "GET"), (PATH, "POST")])
async def test_errors_carry_an_id_too(path, method):
    done = await Exchange(make_app(make_node()), path, method=method).run()
    assert done.status >= 400
    assert done.headers["x-request-id"]


async def test_a_bug_is_a_500_that_tells_nothing(caplog):
    def broken(work):
        raise RuntimeError("the secret of the house")

    done = await Exchange(make_app(make_node(broken)), PATH, CHAT, x_request_id="quote-me").run()
    error = json.loads(done.body)["error"]
    assert (done.status, error["type"], error["code"]) == (500, "server_error", "internal_error")
    assert "quote-me" in error["message"]
    assert b"secret" not in done.body
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert record.facts["request"] == "quote-me"


async def test_a_fault_after_the_headers_cuts_the_connection(caplog):
    node = make_node()
    app = make_app(node)

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    app.mount("/half", half)
    with pytest.raises(RuntimeError, match="half way"):
        await Exchange(app, "/half/x", method="GET").run()


async def test_the_log_line_of_an_answer(caplog):
    caplog.set_level(logging.DEBUG, "gateway")
    await Exchange(make_app(make_node()), PATH, CHAT | {"novelty": "hush"}, x_request_id="abc").run()
    [answered] = [record for record in caplog.records if record.getMessage() == "answered"]
    assert {"request": "abc", "status": 200, "model": "chat", "path": PATH}.items() <= answered.facts.items()
    assert answered.facts["work"].startswith("chatcmpl-")
    [unknown] = [record for record in caplog.records if record.getMessage() == "unknown parameters"]
    assert unknown.facts["names"] == "novelty"
    assert not any("secret" in str(record.__dict__) or "hush" in str(record.__dict__) for record in caplog.records)


async def test_responses_are_counted():
    node = make_node()
    app = make_app(node)
    await Exchange(app, "/health", method="GET").run()
    await Exchange(app, "/nowhere", method="GET").run()
    text = node.metrics.render("")[0].decode()
    assert 'mlx_gateway:http_responses_total{status="200"} 1.0' in text
    assert 'mlx_gateway:http_responses_total{status="404"} 1.0' in text


# ------------------------------------------------------------------ the body's limit
async def test_an_announced_body_over_the_limit():
    node = make_node(max_body=100)
    done = await Exchange(make_app(node), PATH, b"x", content_length="101").run()
    error = json.loads(done.body)["error"]
    assert (done.status, error["code"]) == (413, "payload_too_large")
    assert "100 bytes" in error["message"]
    assert done.headers["x-request-id"]


async def test_a_streamed_body_over_the_limit():
    done = await Exchange(make_app(make_node(max_body=100)), PATH, [b"x" * 60, b"x" * 60, b"x" * 60]).run()
    assert (done.status, json.loads(done.body)["error"]["code"]) == (413, "payload_too_large")


async def test_a_body_of_exactly_the_limit_passes():
    data = json.dumps(CHAT).encode()
    node = make_node(max_body=len(data))
    done = await Exchange(make_app(node), PATH, [data[:50], data[50:]], content_length=str(len(data))).run()
    assert done.status == 200


async def test_a_client_that_leaves_while_it_sends():
    exchange = Exchange(make_app(make_node()), PATH, [])
    exchange.leave()
    assert (await exchange.run()).status == 499


async def test_cors_when_it_is_configured():
    app = make_app(make_node(cors_origins=["https://team.example"]))
    done = await Exchange(app, "/health", method="GET", origin="https://team.example").run()
    assert done.headers["access-control-allow-origin"] == "https://team.example"
    plain = await Exchange(make_app(make_node()), "/health", method="GET", origin="https://team.example").run()
    assert "access-control-allow-origin" not in plain.headers
