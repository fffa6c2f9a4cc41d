"""gateway/api/door: who gets in, who is refused, and who is waited for."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.api.door import PROBES
from tests.fakes.asgi import Exchange
from tests.fakes.clock import settle
from tests.fakes.dispatcher import HELLO, make_app, make_node

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
PATH = "/v1/chat/completions"


async def test_a_closed_door_refuses_in_the_callers_dialect():
    node = make_node()
    node.door.close()
    app = make_app(node)
    openai = await Exchange(app, PATH, CHAT).run()
    assert (openai.status, json.loads(openai.body)["error"]["code"]) == (503, "shutting_down")
    assert int(openai.headers["retry-after"]) >= 1
    assert openai.headers["x-request-id"]
    anthropic = await Exchange(app, "/v1/messages", CHAT).run()
    assert json.loads(anthropic.body)["error"]["type"] == "overloaded_error"
    assert int(anthropic.headers["retry-after"]) >= 1
    assert not node.dispatcher.opened


@pytest.mark.parametrize("path", sorted(PROBES))
async def test_probes_pass_a_closed_door_and_nobody_waits_for_them(path):
    node = make_node()
    node.door.close()
    done = await Exchange(make_app(node), path, method="GET").run()
    assert b"shutting_down" not in done.body
    assert done.status == (503 if path == "/health/ready" else 200)
    if path in ("/health/ready", "/v1/status"):
        assert json.loads(done.body)["status"] == "stopping"
    await node.door.empty()


async def test_whoever_is_inside_when_it_closes_may_finish_and_is_waited_for():
    gate = asyncio.Event()
    node = make_node(lambda work: [gate, *HELLO(work)])
    asked = asyncio.create_task(Exchange(make_app(node), PATH, CHAT).run())
    await settle()
    node.door.close()
    empty = asyncio.create_task(node.door.empty())
    await settle()
    assert (node.door.inside, empty.done()) == (1, False)
    gate.set()
    assert (await asked).status == 200
    await empty


async def test_what_the_server_cancels_at_the_end_is_told_so_unless_it_has_begun():
    node = make_node(lambda work: [asyncio.Event()])
    app = make_app(node)
    plain, stream = Exchange(app, PATH, CHAT), Exchange(app, PATH, CHAT | {"stream": True})
    begun = asyncio.Event()
    stream.on_body = lambda _: begun.set()
    tasks = [asyncio.create_task(one.run()) for one in (plain, stream)]
    await begun.wait()
    node.door.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (plain.status, json.loads(plain.body)["error"]["code"]) == (503, "shutting_down")
    # The stream's connection is cut: no last piece says that it was whole.
    assert stream.status == 200
    assert stream.sent[-1]["more_body"]
    assert node.door.inside == 0


async def test_a_cancellation_before_the_end_is_nobodys_business():
    node = make_node(lambda work: [asyncio.Event()])
    asked = asyncio.create_task(Exchange(make_app(node), PATH, CHAT).run())
    await settle()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
