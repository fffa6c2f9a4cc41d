from __future__ import annotations

import asyncio

import pytest

from gateway.api.disconnect import while_connected
from shared.errors import Cancelled, InvalidRequest


class Client:
    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive(self):
        if self.messages:
            return self.messages.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_the_result():
    async def work():
        return 5

    assert await while_connected(Client().receive, work()) == 5


async def test_the_error():
    async def work():
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await while_connected(Client().receive, work())


@pytest.mark.parametrize("how", ["client leaves", "server cancels"])
async def test_work_is_cancelled_and_awaited(how):
    client, started, ended = Client(), asyncio.Event(), asyncio.Event()

    async def work():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up takes a turn of the loop
            ended.set()

    task = asyncio.create_task(while_connected(client.receive, work()))
    await started.wait()
    if how == "client leaves":
        client.left.set()
        with pytest.raises(Cancelled):
            await task
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
