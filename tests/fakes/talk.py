"""A conversation of scripted turns, with servers of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.mcp.conversation import Bounds, Conversation
from gateway.mcp.events import (
    ServerUse,
)
from gateway.mcp.result import ToolResult
from shared.messages import (
    Accepted,
    ChatMessage,
    ChoiceFinished,
    Finished,
    Generate,
    Prompt,
    Sampling,
    TextDelta,
    TextPart,
    Tool,
    ToolCallDelta,
    Usage,
)
from tests.fakes.dispatcher import FakeStream, Item
from tests.fakes.tool_servers import FakeServers

SUNNY = ToolResult("sunny")
EACH = Usage(10, 4, 10, 1)  # of a turn
ASK = ChatMessage("user", (TextPart("Weather?"),))
WORK = Generate("r", Prompt((ASK,)), Sampling(max_tokens=100))


def calling(*calls: tuple[str, str], text: str = "", reason: Any = "tool_calls") -> Callable[[Generate], list[Item]]:
    """A turn that says something and calls tools; every call costs ten tokens."""

    def script(work: Generate) -> list[Item]:
        rid = work.request
        said: list[Item] = [TextDelta(rid, 0, text)] if text else []
        for number, (name, arguments) in enumerate(calls):
            said.append(ToolCallDelta(rid, 0, number, f"call_{number}", name))
            said += [
                ToolCallDelta(rid, 0, number, arguments=piece) for piece in (arguments[:3], arguments[3:]) if piece
            ]
        return [Accepted(rid, 7, 4), *said, ChoiceFinished(rid, 0, reason), Finished(rid)]

    return script


def saying(text: str) -> Callable[[Generate], list[Item]]:
    return lambda work: [
        Accepted(work.request, 9, 8),
        TextDelta(work.request, 0, text),
        ChoiceFinished(work.request, 0, "stop"),
        Finished(work.request),
    ]


WEATHER_IN_PARIS = calling(("get_weather", '{"city": "Paris"}'))


class Talk:
    """A conversation whose turns are scripts; the last one is repeated."""

    def __init__(
        self,
        *turns: Callable[[Generate], Sequence[Item]],
        work: Generate = WORK,
        servers: FakeServers | None = None,
        uses: Sequence[ServerUse] = (ServerUse("weather"),),
        usage: Usage = EACH,
        **bounds: Any,
    ) -> None:
        self.servers = servers or FakeServers(answers={"get_weather": lambda _: SUNNY})
        self.works: list[Generate] = []
        self.streams: list[FakeStream] = []
        self._turns = list(turns)
        self._usage = usage
        ids = iter(range(1000))
        limits = Bounds(**{"seconds": 60.0, **bounds})
        self.conversation = Conversation(work, uses, self.servers, self._open, limits, new_id=lambda: f"id{next(ids)}")

    def _open(self, work: Generate) -> Any:
        self.works.append(work)
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        self.streams.append(FakeStream(turn(work), self._usage))
        return self.streams[-1]

    async def events(self) -> list[Any]:
        async with self.conversation as stream:
            return [event async for event in stream]


OWN = Generate("r", Prompt((ASK,), tools=(Tool("read"), Tool("write"))), Sampling())
