"""The loop, against a scripted worker and servers of a table: what is shown, and whose calls are whose."""

import asyncio
from typing import Any

import pytest

from gateway.mcp.conversation import longest_result
from gateway.mcp.events import (
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerCallRuns,
    ToolsListed,
)
from gateway.mcp.result import ToolResult
from shared.errors import (
    DeadlineExceeded,
    ToolServerUnavailable,
)
from shared.messages import (
    Accepted,
    ChatMessage,
    ChoiceFinished,
    Finished,
    Generate,
    Prompt,
    ReasoningDelta,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.fakes.clock import settle
from tests.fakes.dispatcher import Item
from tests.fakes.talk import ASK, OWN, WEATHER_IN_PARIS, Talk, calling, saying
from tests.fakes.tool_servers import FakeServers


# ------------------------------------------------------------------ what is shown
async def test_a_call_is_made_and_the_answer_goes_on() -> None:
    talk = Talk(calling(("get_weather", '{"city": "Paris"}'), text="Let me see."), saying("Sunny."))
    listed = ToolsListed("r", "weather", (talk.servers.listed[0],))
    assert await talk.events() == [
        Accepted("r", 7, 4),
        listed,
        TextDelta("r", 0, "Let me see."),
        ServerCallBegins("r", "id0", "weather", "get_weather"),
        ServerCallArguments("r", "id0", '{"c'),
        ServerCallArguments("r", "id0", 'ity": "Paris"}'),
        ServerCallRuns("r", "id0"),
        ServerCallEnds("r", "id0", "sunny"),
        TextDelta("r", 0, "Sunny."),
        ChoiceFinished("r", 0, "stop"),
        Finished("r", Usage(20, 8, 20, 2)),
    ]
    assert talk.servers.called == [("get_weather", {"city": "Paris"})]


async def test_the_next_prompt_has_the_call_and_its_result() -> None:
    talk = Talk(calling(("get_weather", '{"city": "Paris"}'), text="Let me see."), saying("Sunny."))
    await talk.events()
    first, second = talk.works
    assert [tool.name for tool in first.prompt.tools] == ["get_weather"]
    assert first.parse_tools
    assert second.prompt.tools == first.prompt.tools
    assert second.prompt.messages == (
        ASK,
        ChatMessage(
            "assistant",
            (TextPart("Let me see."),),
            tool_calls=(ToolCall("call_0", "get_weather", '{"city": "Paris"}'),),
        ),
        ChatMessage("tool", (TextPart("sunny"),), name="get_weather", tool_call_id="call_0"),
    )
    assert (first.request, second.request) == ("r", "r.2")


async def test_a_thought_goes_along() -> None:
    def thinks(work: Generate) -> list[Item]:
        return [ReasoningDelta(work.request, 0, "hm"), *WEATHER_IN_PARIS(work)]

    talk = Talk(thinks, saying("Sunny."))
    assert ReasoningDelta("r", 0, "hm") in await talk.events()
    assert talk.works[1].prompt.messages[1].reasoning == "hm"


async def test_usage_is_the_sum_and_grows() -> None:
    talk = Talk(WEATHER_IN_PARIS, saying("Sunny."))
    async with talk.conversation as stream:
        seen = [stream.usage.prompt_tokens async for _ in stream]
    assert seen == sorted(seen)
    assert talk.conversation.usage == Usage(20, 8, 20, 2)


async def test_without_a_call_it_is_the_workers_own_answer() -> None:
    talk = Talk(saying("Hello."))
    events = await talk.events()
    assert [type(event) for event in events] == [Accepted, ToolsListed, TextDelta, ChoiceFinished, Finished]


async def test_calls_of_one_turn_are_made_together_but_not_too_many() -> None:
    gate = asyncio.Event()
    servers = FakeServers(answers={"get_weather": lambda _: gate})
    talk = Talk(calling(*[("get_weather", "{}")] * 5), saying("."), servers=servers, calls_at_once=3)
    task = asyncio.create_task(talk.events())
    await settle()
    assert servers.running == 3
    gate.set()
    ends = [event for event in await task if isinstance(event, ServerCallEnds)]
    assert servers.most == 3
    assert {end.call for end in ends} == {f"id{number}" for number in range(5)}
    assert [message.tool_call_id for message in talk.works[1].prompt.messages[2:]] == [f"call_{n}" for n in range(5)]


# ------------------------------------------------------------------ failures of a call
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ToolResult("no such city", is_error=True), "no such city"),
        (ToolServerUnavailable("went away"), "went away"),
        (DeadlineExceeded("too slow"), "too slow"),
    ],
)
async def test_a_call_that_fails_is_told_to_the_model(answer: Any, text: str) -> None:
    talk = Talk(WEATHER_IN_PARIS, saying("Sorry."), servers=FakeServers(answers={"get_weather": lambda _: answer}))
    events = await talk.events()
    assert ServerCallEnds("r", "id0", text, text) in events
    assert talk.works[1].prompt.messages[-1].content == (TextPart(f"Error: {text}"),)
    assert ChoiceFinished("r", 0, "stop") in events


@pytest.mark.parametrize("arguments", ["[1]", '{"city": ', "nonsense"])
async def test_arguments_that_are_no_object_are_not_sent(arguments: str) -> None:
    talk = Talk(calling(("get_weather", arguments)), saying("Sorry."))
    events = await talk.events()
    assert talk.servers.called == []
    assert [event.error for event in events if isinstance(event, ServerCallEnds)] == [
        "not called: the arguments are not a JSON object"
    ]
    assert not any(isinstance(event, ServerCallRuns) for event in events)
    assert talk.works[1].prompt.messages[1].tool_calls[0].arguments == arguments


async def test_no_arguments_are_an_empty_object() -> None:
    talk = Talk(calling(("get_weather", "")), saying("."))
    await talk.events()
    assert talk.servers.called == [("get_weather", {})]


async def test_a_long_result_is_cut_and_says_so() -> None:
    servers = FakeServers(answers={"get_weather": lambda _: ToolResult("x" * 100)})
    talk = Talk(WEATHER_IN_PARIS, saying("."), servers=servers, result=10)
    await talk.events()
    assert talk.works[1].prompt.messages[-1].content == (TextPart("xxxxxxxxxx\n[cut: 10 of 100 characters are shown]"),)
    assert longest_result(None) == 64 * 1024
    assert longest_result(1000) == 2000


# ------------------------------------------------------------------ the client's own tools


async def test_the_clients_calls_end_the_answer_after_the_servers_are_made() -> None:
    talk = Talk(calling(("write", "{}"), ("get_weather", "{}"), ("read", '{"a": 1}')), work=OWN)
    events = await talk.events()
    mine = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(event.call, event.name) for event in mine if event.name] == [(0, "write"), (1, "read")]
    assert ServerCallEnds("r", "id0", "sunny") in events
    assert events[-2] == ChoiceFinished("r", 0, "tool_calls")
    assert len(talk.works) == 1


async def test_a_name_that_the_client_has_is_the_clients() -> None:
    work = Generate("r", Prompt((ASK,), tools=(Tool("get_weather"),)))
    talk = Talk(calling(("get_weather", "{}")), work=work)
    events = await talk.events()
    assert [tool.name for tool in talk.works[0].prompt.tools] == ["get_weather", "weather__get_weather"]
    assert any(isinstance(event, ToolCallDelta) for event in events)
    assert talk.servers.called == []


async def test_client_calls_are_numbered_from_nought_after_turns_of_the_servers() -> None:
    talk = Talk(WEATHER_IN_PARIS, calling(("read", "{}")), work=OWN)
    events = await talk.events()
    assert [event.call for event in events if isinstance(event, ToolCallDelta) and event.name] == [0]
