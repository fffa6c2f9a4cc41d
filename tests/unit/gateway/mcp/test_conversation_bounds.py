"""The loop's limits, the choice among tools, and its interface as a stream."""

import asyncio
from typing import Any

import pytest

from gateway.mcp.events import (
    ServerCallBegins,
    ServerCallEnds,
    ServerTool,
    ServerUse,
    ToolsListed,
    TurnsExhausted,
)
from shared.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    Overloaded,
    ToolServerUnavailable,
    WorkerLost,
)
from shared.messages import (
    Accepted,
    ChatMessage,
    ChoiceFinished,
    Finished,
    Generate,
    Prompt,
    PromptEcho,
    Sampling,
    TextPart,
    Usage,
)
from tests.fakes.clock import settle
from tests.fakes.dispatcher import FakeStream, Item
from tests.fakes.talk import ASK, WEATHER_IN_PARIS, Talk, calling, saying
from tests.fakes.tool_servers import FakeServers


# ------------------------------------------------------------------ bounds
async def test_the_last_turns_calls_are_not_made() -> None:
    talk = Talk(WEATHER_IN_PARIS, work=Generate("r", Prompt((ASK,))), turns=3)
    events = await talk.events()
    assert len(talk.works) == 3
    assert len(talk.servers.called) == 2
    assert events[-4:] == [
        ServerCallEnds(
            "r", "id2", "not called: an answer has at most 3 turns", "not called: an answer has at most 3 turns"
        ),
        TurnsExhausted("r", 3),
        ChoiceFinished("r", 0, "length"),
        Finished("r", Usage(30, 12, 30, 3)),
    ]


async def test_a_request_may_bound_its_calls() -> None:
    talk = Talk(calling(("get_weather", "{}"), ("get_weather", "{}")), saying("."), calls=1)
    events = await talk.events()
    assert len(talk.servers.called) == 1
    assert [event.error for event in events if isinstance(event, ServerCallEnds)] == [
        None,
        "not called: the request allows 1 calls",
    ]


async def test_max_tokens_is_the_whole_answers() -> None:
    work = Generate("r", Prompt((ASK,)), Sampling(max_tokens=25, min_tokens=12))
    talk = Talk(WEATHER_IN_PARIS, work=work)
    events = await talk.events()
    assert [(one.sampling.max_tokens, one.sampling.min_tokens) for one in talk.works] == [(25, 12), (15, 2), (5, 0)]
    assert events[-2] == ChoiceFinished("r", 0, "length")
    assert len(talk.servers.called) == 2


async def test_a_turn_that_was_cut_makes_no_calls() -> None:
    talk = Talk(calling(("get_weather", '{"ci'), reason="length"))
    events = await talk.events()
    assert talk.servers.called == []
    begins = [event.call for event in events if isinstance(event, ServerCallBegins)]
    assert begins == [event.call for event in events if isinstance(event, ServerCallEnds)]
    assert events[-2] == ChoiceFinished("r", 0, "length")


async def test_a_forced_call_is_forced_once() -> None:
    work = Generate("r", Prompt((ASK,)), tool_choice="required", echo=True, prompt_logprobs=1)
    talk = Talk(WEATHER_IN_PARIS, saying("."), work=work)
    await talk.events()
    assert [one.tool_choice for one in talk.works] == ["required", "auto"]
    assert [one.echo for one in talk.works] == [True, False]
    assert talk.works[1].prompt_logprobs is None


async def test_the_prompt_is_echoed_once() -> None:
    def echoes(work: Generate) -> list[Item]:
        return [PromptEcho(work.request, "Weather?"), *WEATHER_IN_PARIS(work)]

    events = await Talk(echoes, echoes, saying(".")).events()
    assert sum(isinstance(event, PromptEcho) for event in events) == 1
    assert sum(isinstance(event, Accepted) for event in events) == 1


async def test_its_time_is_bounded() -> None:
    servers = FakeServers(answers={"get_weather": lambda _: asyncio.Event()})
    talk = Talk(WEATHER_IN_PARIS, servers=servers, seconds=0.0)
    with pytest.raises(DeadlineExceeded):
        await talk.events()
    assert servers.running == 0


# ------------------------------------------------------------------ which tools
async def test_a_named_server_that_is_not_there_is_an_error() -> None:
    servers = FakeServers()
    servers.missing.add("weather")
    with pytest.raises(ToolServerUnavailable):
        await Talk(saying("."), servers=servers).events()


async def test_a_models_server_that_is_not_there_is_left_out() -> None:
    servers = FakeServers()
    servers.missing.add("weather")
    talk = Talk(saying("."), servers=servers, uses=[ServerUse("weather", named=False), ServerUse("clock", named=False)])
    events = await talk.events()
    assert ToolsListed("r", "weather", error="The MCP server `weather` is not available.") in events
    assert [tool.name for tool in talk.works[0].prompt.tools] == ["now"]


@pytest.mark.parametrize(
    ("use", "names"),
    [
        (ServerUse("weather", tools=("b",)), ["b"]),
        (ServerUse("weather", without=("b",)), ["a", "c"]),
        (ServerUse("weather", tools=()), []),
    ],
)
async def test_a_request_chooses_among_a_servers_tools(use: ServerUse, names: list[str]) -> None:
    servers = FakeServers(*(ServerTool("weather", name) for name in "abc"))
    talk = Talk(saying("."), servers=servers, uses=[use])
    await talk.events()
    assert [tool.name for tool in talk.works[0].prompt.tools] == names
    assert talk.works[0].parse_tools == bool(names)


async def test_choices_name_tools_of_servers() -> None:
    servers = FakeServers(ServerTool("weather", "a"), ServerTool("weather", "b"), ServerTool("clock", "now"))
    uses = [ServerUse("weather"), ServerUse("clock")]
    for named, meant in ((("weather__b",), ("b",)), (("weather__*", "clock__now"), ("a", "b", "now"))):
        talk = Talk(saying("."), servers=servers, uses=uses, work=Generate("r", Prompt((ASK,)), callable_tools=named))
        await talk.events()
        assert talk.works[0].callable_tools == meant
    talk = Talk(saying("."), uses=uses, work=Generate("r", Prompt((ASK,)), callable_tools=("weather__x",)))
    with pytest.raises(InvalidRequest, match="weather__x"):
        await talk.events()


async def test_a_forced_call_needs_a_tool() -> None:
    talk = Talk(saying("."), uses=[ServerUse("none")], work=Generate("r", Prompt((ASK,)), tool_choice="required"))
    with pytest.raises(InvalidRequest, match="none is there"):
        await talk.events()


def test_several_answers_are_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Talk(saying("."), work=Generate("r", Prompt((ASK,)), n=2))
    assert refused.value.param == "n"


# ------------------------------------------------------------------ a message that goes on
async def test_a_begun_message_is_one_message() -> None:
    prompt = Prompt(
        (ASK, ChatMessage("assistant", (TextPart("It "),))), add_generation_prompt=False, continue_final_message=True
    )
    talk = Talk(calling(("get_weather", "{}"), text="is"), saying("."), work=Generate("r", prompt))
    await talk.events()
    second = talk.works[1].prompt
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[1].content == (TextPart("It is"),)
    assert second.add_generation_prompt
    assert not second.continue_final_message


# ------------------------------------------------------------------ the interface of a stream
async def test_nothing_runs_before_the_first_look() -> None:
    talk = Talk(saying("."))
    async with talk.conversation:
        await settle()
        assert talk.works == []


async def test_a_refusal_at_the_door_is_the_first_event() -> None:
    def refuses(work: Generate) -> list[Item]:
        raise Overloaded("full", retry_after=3)

    talk = Talk(refuses)
    async with talk.conversation as stream:
        assert await stream.wait(60)
        with pytest.raises(Overloaded) as refused:
            await anext(stream)
        assert refused.value.retry_after == 3
        assert [event async for event in stream] == []


async def test_an_error_of_a_turn_keeps_what_was_spent() -> None:
    talk = Talk(WEATHER_IN_PARIS, lambda work: [Accepted(work.request, 5), WorkerLost("died")])
    with pytest.raises(WorkerLost):
        await talk.events()
    assert talk.conversation.usage.prompt_tokens == 20


async def test_an_answer_that_ends_early_is_an_error() -> None:
    with pytest.raises(InternalError):
        await Talk(lambda work: [Accepted(work.request)]).events()


async def test_waiting_leaves_the_request_alone() -> None:
    gate = asyncio.Event()
    talk = Talk(lambda work: [gate, *saying(".")(work)])
    async with talk.conversation as stream:
        assert not await stream.wait(0.001)
        gate.set()
        assert await stream.wait(60)
        assert isinstance(await anext(stream), Accepted)


async def test_whole_takes_each_turn_as_a_whole() -> None:
    taken = []

    class Whole(FakeStream):
        async def whole(self) -> list[Any]:
            taken.append(True)
            return await super().whole()

    talk = Talk(saying("."))
    talk.conversation._open_turn = lambda work: Whole(saying(".")(work))  # type: ignore[assignment, method-assign]
    async with talk.conversation as stream:
        events = await stream.whole()
    assert isinstance(events[-1], Finished)
    assert taken == [True]


async def test_leaving_during_a_turn_cancels_it() -> None:
    talk = Talk(lambda work: [Accepted(work.request), asyncio.Event()])
    async with talk.conversation as stream:
        await anext(stream)
        await settle()
    assert talk.streams[0].cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_during_a_call_cancels_it() -> None:
    servers = FakeServers(answers={"get_weather": lambda _: asyncio.Event()})
    talk = Talk(calling(*[("get_weather", "{}")] * 2), servers=servers)
    async with talk.conversation as stream:
        await anext(stream)
        await settle()
        assert servers.running == 2
    assert servers.cancelled == ["get_weather"] * 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_who_waits_cancels_the_work() -> None:
    talk = Talk(lambda work: [asyncio.Event()])
    waiting = asyncio.create_task(talk.events())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert talk.streams[0].cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}
