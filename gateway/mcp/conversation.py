"""The loop model -> tool -> model, as one answer: `Conversation` has the interface of `routing.stream.Stream`.

    1. The servers' tools join the prompt's. A server that the request named and that is not there is an error; one
       that the model's YAML names is left out.
    2. A turn runs. What the model says streams on; its calls of servers' tools become `ServerCall…` events.
    3. a. The turn was cut, or no token is left: its calls are not made, the answer ends with `length`.
       b. It called no server's tool: the answer ends as the turn did.
       c. It was the last turn that may be: its calls are not made, `TurnsExhausted`, the answer ends with `length`.
       d. The calls are made, at most CALLS_AT_ONCE together. A call that fails is told to the model.
    4. a. It called tools of the client too: those are the client's to run, and the answer ends with `tool_calls`.
       b. The turn and its results join the prompt, and 2.

`max_tokens` and the deadline are the whole answer's; its usage is the sum over its turns. A forced call is forced once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Protocol, Self

from gateway.mcp.events import (
    AnswerEvent,
    ServerCallEnds,
    ServerCallRuns,
    ServerTool,
    ServerUse,
    ToolsListed,
    TurnsExhausted,
)
from gateway.mcp.naming import offered
from gateway.mcp.prompt import next_turn, with_tools
from gateway.mcp.pump import Pump
from gateway.mcp.result import ToolResult, cut
from gateway.mcp.source import AnswerSource
from gateway.mcp.turn import Call, Turn
from shared.errors import DeadlineExceeded, InternalError, InvalidRequest, RequestError
from shared.messages import ChoiceFinished, Finished, Generate, Usage

MAX_TURNS = 16
CALLS_AT_ONCE = 8
MAX_RESULT = 64 * 1024  # characters of one result; more is cut, and the model is told

Results = Sequence[tuple[Call, ToolResult]]


class Servers(Protocol):
    """The part of `ToolServers` that a conversation needs."""

    async def tools(self, server: str) -> Sequence[ServerTool]:
        """Raises ToolServerUnavailable."""
        ...

    async def call(self, tool: ServerTool, arguments: Mapping[str, object]) -> ToolResult:
        """Raises RequestError when the server did not answer."""
        ...


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one answer. `seconds` are left for all of it; `calls` in all, None: any; `result` is in characters."""

    seconds: float
    calls: int | None = None
    turns: int = MAX_TURNS
    calls_at_once: int = CALLS_AT_ONCE
    result: int = MAX_RESULT


class Conversation:
    """One answer, of as many turns as the model needs. Nothing runs before the first event is asked for."""

    def __init__(
        self,
        work: Generate,
        uses: Sequence[ServerUse],
        servers: Servers,
        open_turn: Callable[[Generate], AnswerSource],
        bounds: Bounds,
        *,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        """Raises InvalidRequest for a request that asks for several answers."""
        if work.n > 1:
            raise InvalidRequest("'n' must be 1 when tools of MCP servers are used.", param="n")
        self._work = work
        self._uses = tuple(uses)
        self._servers = servers
        self._open_turn = open_turn
        self._bounds = bounds
        self._new_id = new_id
        self._listed: list[ToolsListed] = []
        self._offered: dict[str, ServerTool] = {}
        self._called = 0
        self._spent = Usage()
        self._running: AnswerSource | None = None
        self._at_once = asyncio.Semaphore(bounds.calls_at_once)
        self._replayable = False
        self._pump: Pump[AnswerEvent] = Pump(self._run)

    # ------------------------------------------------------------------ the consumer
    @property
    def usage(self) -> Usage:
        """Tokens so far, of all turns; exact once the answer has ended."""
        return self._spent if self._running is None else add(self._spent, self._running.usage)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnswerEvent:
        return await self._pump.next()

    async def whole(self) -> list[AnswerEvent]:
        """All events at once; a worker's death replays the turn that it interrupts."""
        self._replayable = True
        return [event async for event in self]

    async def wait(self, seconds: float) -> bool:
        """Whether the next event is there within `seconds`."""
        try:
            await asyncio.wait_for(self._pump.filled(), seconds)
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Ends the turn and the calls that run. Idempotent."""
        await self._pump.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # ------------------------------------------------------------------ the loop
    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._bounds.seconds):
                await self._turns()
        except TimeoutError:
            raise DeadlineExceeded("the request took longer than it may") from None

    async def _turns(self) -> None:
        await self._list()
        work = with_tools(self._work, self._offered)
        for number in range(1, self._bounds.turns + 1):
            turn = Turn(self._work.request, number == 1, self._offered, self._new_id)
            finished = await self._play(turn, work)
            results, end = await self._decide(turn, finished, last=number == self._bounds.turns)
            if end is not None:
                self._pump.put(end)
                break
            work = next_turn(self._work, work.prompt, turn.message(), results, self._spent, number + 1)
        self._pump.put(Finished(self._work.request, self._spent))

    async def _list(self) -> None:
        """Step 1."""
        found: list[ServerTool] = []
        for use in self._uses:
            try:
                tools = await self._servers.tools(use.server)
            except RequestError as error:
                if use.named:
                    raise
                self._listed.append(ToolsListed(self._work.request, use.server, error=error.message))
                continue
            mine = tuple(tool for tool in tools if use.allows(tool.name))
            self._listed.append(ToolsListed(self._work.request, use.server, mine))
            found += mine
        self._offered = offered(found, [tool.name for tool in self._work.prompt.tools])

    async def _play(self, turn: Turn, work: Generate) -> ChoiceFinished:
        """Step 2."""
        async with self._open_turn(work) as stream:
            self._running = stream
            try:
                if self._replayable:
                    for event in await stream.whole():
                        self._show(turn.feed(event))
                else:
                    async for event in stream:
                        self._show(turn.feed(event))
            finally:
                self._spent, self._running = add(self._spent, stream.usage), None
        if turn.finished is None:
            raise InternalError("The model's answer ended early.")
        return turn.finished

    def _show(self, events: Sequence[AnswerEvent]) -> None:
        for event in events:
            self._pump.put(event)
            while self._listed:  # behind `Accepted`, which begins an answer
                self._pump.put(self._listed.pop(0))

    async def _decide(self, turn: Turn, finished: ChoiceFinished, last: bool) -> tuple[Results, ChoiceFinished | None]:
        """Steps 3 and 4: the results that the next turn needs, or the answer's end."""
        calls = list(turn.calls.values())
        if not calls:
            return (), finished
        if finished.reason == "length" or self._no_token_left():
            self._drop(calls, "not called: the answer was cut at the limit of its tokens")
            return (), replace(finished, reason="length", stop=None)
        if last and not turn.has_client_calls:
            self._drop(calls, f"not called: an answer has at most {self._bounds.turns} turns")
            self._pump.put(TurnsExhausted(self._work.request, self._bounds.turns))
            return (), replace(finished, reason="length", stop=None)
        results = await self._call_all(calls)
        if turn.has_client_calls:
            return results, replace(finished, reason="tool_calls", stop=None)
        return results, None

    def _no_token_left(self) -> bool:
        limit = self._work.sampling.max_tokens
        return limit is not None and self._spent.completion_tokens >= limit

    def _drop(self, calls: Sequence[Call], why: str) -> None:
        for call in calls:
            self._pump.put(ServerCallEnds(self._work.request, call.shown, why, why))

    async def _call_all(self, calls: Sequence[Call]) -> Results:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._call(call)) for call in calls]
        return [(call, task.result()) for call, task in zip(calls, tasks, strict=True)]

    async def _call(self, call: Call) -> ToolResult:
        async with self._at_once:
            result = cut(await self._result(call), self._bounds.result)
        error = result.text if result.is_error else None
        self._pump.put(ServerCallEnds(self._work.request, call.shown, result.text, error))
        return result

    async def _result(self, call: Call) -> ToolResult:
        if self._bounds.calls is not None and self._called >= self._bounds.calls:
            return ToolResult(f"not called: the request allows {self._bounds.calls} calls", is_error=True)
        self._called += 1
        arguments = call.parsed()
        if arguments is None:
            return ToolResult("not called: the arguments are not a JSON object", is_error=True)
        self._pump.put(ServerCallRuns(self._work.request, call.shown))
        try:
            return await self._servers.call(call.tool, arguments)
        except RequestError as error:
            return ToolResult(error.message, is_error=True)


def longest_result(context: int | None) -> int:
    """Characters of one result that leave a model of so many tokens half of its context, roughly."""
    return MAX_RESULT if context is None else min(MAX_RESULT, 2 * context)


def add(one: Usage, other: Usage) -> Usage:
    """Token by token, as OpenAI and Anthropic bill the turns of an answer."""
    return Usage(**{field.name: getattr(one, field.name) + getattr(other, field.name) for field in fields(Usage)})
