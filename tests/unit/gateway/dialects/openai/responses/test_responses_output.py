from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.responses.answer import Answer, Identity
from gateway.dialects.openai.responses.calls import FreeText
from gateway.dialects.openai.responses.events import ResponseWriter
from gateway.dialects.openai.responses.request import options, parse_responses, understand
from gateway.dialects.openai.responses.thought import unseal
from gateway.mcp.events import (
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerCallRuns,
    ServerTool,
    ToolsListed,
    TurnsExhausted,
)
from shared.errors import ContextLengthExceeded, InternalError, Overloaded, WorkerLost
from shared.messages import (
    Accepted,
    Alternative,
    ChoiceFinished,
    Finished,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

R = "resp_ab"
USAGE = Usage(7, 4, 3, 1)
SPACE = {"type": "namespace", "name": "files", "tools": [{"type": "function", "name": "read"}]}
PATCH = {"type": "custom", "name": "apply_patch"}
STOP = ChoiceFinished(R, 0, "stop")


def answer_of(**body) -> Answer:
    request = parse_responses({"model": "m", "input": "hi"} | body)
    asked = understand(request, tuple(request.input or ()))
    return Answer(Identity(R, 1_700_000_000, "m"), asked, options(request))


def play(*events, **body):
    """The payloads of a whole answer, and the answer."""
    answer = answer_of(**body)
    payloads = answer.start()
    for event in events:
        payloads += answer.feed(event)
    return [*payloads, *answer.end(USAGE, 1_700_000_001)], answer


def kinds(payloads):
    return [payload["type"].removeprefix("response.") for payload in payloads]


def text(*pieces):
    return [TextDelta(R, 0, piece) for piece in pieces]


# ------------------------------------------------------------------ items
def test_a_text():
    payloads, answer = play(Accepted(R, 7, 4), *text("Hel", "lo"), STOP, Finished(R, USAGE))
    assert kinds(payloads) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    item = answer.response()["output"][0]
    assert item == payloads[-2]["item"]
    assert (item["content"][0]["text"], item["status"], item["role"]) == ("Hello", "completed", "assistant")
    assert payloads[2]["item"]["id"] == payloads[4]["item_id"] == item["id"]
    response = payloads[-1]["response"]
    assert (response["status"], response["completed_at"], response["output"]) == ("completed", 1_700_000_001, [item])
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 10,
    }


def test_thought_text_and_call_are_items_in_their_order():
    payloads, answer = play(
        ReasoningDelta(R, 0, "hm"),
        *text("\n\n", "see"),
        ToolCallDelta(R, 0, 0, "c0", "f", '{"a"'),
        ToolCallDelta(R, 0, 0, arguments=":1}"),
        ToolCallDelta(R, 0, 1, "c1", "g"),
        ChoiceFinished(R, 0, "tool_calls"),
    )
    items = answer.response()["output"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert items[0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert items[1]["content"][0]["text"] == "\n\nsee"
    assert (items[2]["call_id"], items[2]["name"], items[2]["arguments"]) == ("c0", "f", '{"a":1}')
    assert items[3]["arguments"] == "{}"
    assert len({item["id"] for item in items}) == 4
    done = [one for one in payloads if one["type"] == "response.function_call_arguments.done"]
    assert [(one["output_index"], one["arguments"]) for one in done] == [(2, '{"a":1}'), (3, "{}")]
    assert all(one["output_index"] == items.index(one["item"]) for one in payloads if one["type"].endswith("item.done"))


def test_blanks_alone_are_no_item():
    _, answer = play(ReasoningDelta(R, 0, "\n"), *text("\n", " "), ToolCallDelta(R, 0, 0, "c", "f", "{}"), STOP)
    assert [item["type"] for item in answer.response()["output"]] == ["function_call"]


def test_a_namespaced_call_goes_back_by_its_own_name():
    _, answer = play(ToolCallDelta(R, 0, 0, "c", "files__read", "{}"), STOP, tools=[SPACE])
    (item,) = answer.response()["output"]
    assert (item["name"], item["namespace"]) == ("read", "files")


def test_a_custom_call_gives_its_text_raw():
    patch = '*** Begin\n+"é" \\n 🙂'
    arguments = json.dumps({"input": patch})
    pieces = [ToolCallDelta(R, 0, 0, "c", "apply_patch"), *(ToolCallDelta(R, 0, 0, arguments=one) for one in arguments)]
    payloads, answer = play(*pieces, ChoiceFinished(R, 0, "tool_calls"), tools=[PATCH])
    (item,) = answer.response()["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", patch)
    deltas = [one["delta"] for one in payloads if one["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == patch
    assert len(deltas) > 3
    assert [one["input"] for one in payloads if one["type"] == "response.custom_tool_call_input.done"] == [patch]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", "{}"),
        ('{"input": 5}', '{"input": 5}'),
        ("plain text", "plain text"),
        ('["a"]', '["a"]'),
        ('{"input": "cut', "cut"),
        ('{"input": "", "more": 1}', ""),
    ],
)
def test_free_text_of_odd_arguments(arguments, text):
    for size in (1, 1000):
        free = FreeText()
        found = "".join(free.feed(arguments[at : at + size]) for at in range(0, len(arguments), size)) + free.end()
        assert found == free.text == text


def test_a_summary_has_events_of_its_own():
    payloads, answer = play(ReasoningDelta(R, 0, "hm"), *text("x"), STOP, reasoning={"summary": "auto"})
    (item, _) = answer.response()["output"]
    assert (item["summary"], item["content"]) == ([{"type": "summary_text", "text": "hm"}], [])
    assert kinds(payloads)[3:7] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    assert all(payload["summary_index"] == 0 for payload in payloads[3:7])


def test_a_thought_is_sealed_where_that_is_wanted():
    _, plain = play(ReasoningDelta(R, 0, "hm"), STOP)
    assert plain.response()["output"][0]["encrypted_content"] is None
    _, sealed = play(ReasoningDelta(R, 0, "hm"), STOP, include=["reasoning.encrypted_content"])
    assert unseal(sealed.response()["output"][0]["encrypted_content"]) == "hm"


def test_logprobs_where_they_are_wanted():
    token = TokenLogprob(1, "a", b"a", -0.5, (Alternative(2, "b", b"b", float("-inf")),))
    shown = {"token": "a", "logprob": -0.5, "bytes": [97]}
    top = [{"token": "b", "logprob": -9999.0, "bytes": [98]}]
    _, answer = play(TextDelta(R, 0, " ", (token,)), TextDelta(R, 0, "a", (token,)), STOP, top_logprobs=1)
    assert answer.response()["output"][0]["content"][0]["logprobs"] == [{**shown, "top_logprobs": top}] * 2
    _, silent = play(TextDelta(R, 0, "a", (token,)), STOP)
    assert silent.response()["output"][0]["content"][0]["logprobs"] == []


# ------------------------------------------------------------------ the node's own calls
def test_calls_of_servers_may_end_in_any_order():
    tool = ServerTool("files", "read", "Reads.", '{"type": "object"}')
    payloads, answer = play(
        Accepted(R),
        ToolsListed(R, "files", (tool,)),
        *text("see"),
        ServerCallBegins(R, "a", "files", "read"),
        ServerCallArguments(R, "a", '{"p":1}'),
        ServerCallBegins(R, "b", "files", "read"),
        ServerCallRuns(R, "a"),
        ServerCallRuns(R, "b"),
        ServerCallEnds(R, "b", "gone", "gone"),
        ServerCallEnds(R, "a", "text"),
        *text("done"),
        STOP,
    )
    items = answer.response()["output"]
    assert [item["type"] for item in items] == ["mcp_list_tools", "message", "mcp_call", "mcp_call", "message"]
    assert items[0]["tools"][0]["input_schema"] == {"type": "object"}
    assert (items[2]["status"], items[2]["arguments"], items[2]["output"]) == ("completed", '{"p":1}', "text")
    assert (items[3]["status"], items[3]["arguments"], items[3]["output"]) == ("failed", "{}", None)
    assert items[3]["error"]["content"] == "gone"
    calls = [
        (kind, one["output_index"]) for kind, one in zip(kinds(payloads), payloads, strict=True) if "mcp_call" in kind
    ]
    assert calls == [
        ("mcp_call.in_progress", 2),
        ("mcp_call_arguments.delta", 2),
        ("mcp_call.in_progress", 3),
        ("mcp_call_arguments.done", 2),
        ("mcp_call_arguments.done", 3),
        ("mcp_call.failed", 3),
        ("mcp_call.completed", 2),
    ]
    assert [kind for kind in kinds(payloads) if "list_tools" in kind] == [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
    ]


def test_a_server_that_is_not_there_is_shown():
    payloads, answer = play(ToolsListed(R, "files", error="not there"), *text("x"), STOP)
    assert answer.response()["output"][0]["error"] == "not there"
    assert "mcp_list_tools.failed" in kinds(payloads)


def test_too_many_turns_are_incomplete():
    _, answer = play(*text("x"), TurnsExhausted(R, 16), ChoiceFinished(R, 0, "length"))
    assert answer.response()["incomplete_details"] == {"reason": "max_messages"}


# ------------------------------------------------------------------ ends
@pytest.mark.parametrize("tools", [[], [PATCH]], ids=["function", "custom"])
@pytest.mark.parametrize("pieces", [(), ('{"city": oops}',)], ids=["no arguments", "no object"])
def test_a_broken_call_is_incomplete_and_so_is_the_response(tools, pieces):
    name = "apply_patch" if tools else "get_weather"
    payloads, answer = play(
        ToolCallDelta(R, 0, 0, "c0", name),
        *(ToolCallDelta(R, 0, 0, arguments=piece) for piece in pieces),
        ToolCallDelta(R, 0, 0, broken=True),
        *text("Sorry."),
        ChoiceFinished(R, 0, "tool_calls"),
        tools=tools,
    )
    response = answer.response()
    assert [item["status"] for item in response["output"]] == ["incomplete", "completed"]
    assert response["output"][0].get("arguments", response["output"][0].get("input")) == "".join(pieces)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": None})
    assert kinds(payloads)[-1] == "incomplete"


def test_a_cut_answer_is_incomplete():
    payloads, answer = play(*text("Hel"), ChoiceFinished(R, 0, "length"))
    assert kinds(payloads)[-1] == "incomplete"
    response = answer.response()
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert (response["output"][0]["status"], response["completed_at"]) == ("incomplete", None)


def test_an_answer_without_a_finish_is_no_answer():
    answer = answer_of()
    answer.feed(TextDelta(R, 0, "Hel"))
    with pytest.raises(InternalError):
        answer.end(USAGE, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkerLost("gone"), "server_error"),
        (Overloaded("full"), "rate_limit_exceeded"),
        (ContextLengthExceeded("long"), "context_length_exceeded"),
    ],
)
def test_a_failure_keeps_what_was_said(error, code):
    answer = answer_of()
    answer.feed(TextDelta(R, 0, "Hel"))
    assert kinds(answer.fail(error, USAGE))[-1] == "failed"
    response = answer.response()
    assert (response["status"], response["error"]["code"], response["usage"]["output_tokens"]) == ("failed", code, 3)
    assert response["output"][0]["status"] == "incomplete"


def test_the_request_is_repeated():
    format_ = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    response = answer_of(
        instructions="brief",
        tools=[{"type": "function", "name": "f"}, {"type": "web_search"}],
        text={"format": format_},
        metadata={"a": "b"},
        reasoning={"effort": "low"},
        prompt_cache_key="k",
        store=False,
    ).response()
    assert response["text"] == {"format": format_, "verbosity": "medium"}
    assert response["tools"][0] == {
        "type": "function",
        "name": "f",
        "description": None,
        "parameters": None,
        "strict": False,
    }
    assert (response["instructions"], response["metadata"], response["store"]) == ("brief", {"a": "b"}, False)
    assert (response["reasoning"], response["prompt_cache_key"]) == ({"effort": "low", "summary": None}, "k")
    assert (response["id"], response["created_at"], response["status"]) == (R, 1_700_000_000, "in_progress")


# ------------------------------------------------------------------ the stream
def frames(data: bytes):
    found = []
    for frame in data.decode().split("\n\n")[:-1]:
        name, payload = frame.split("\n")
        payload = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        found.append(payload)
    return found


def test_events_are_numbered_and_the_end_is_told_before_it_is_written():
    done = []
    writer = ResponseWriter(answer_of(), lambda: 5.0, lambda answer: done.append(answer.status))
    assert not writer.started
    data = writer.event(Accepted(R)) + b"".join(writer.event(event) for event in (*text("a"), STOP))
    assert done == []
    assert writer.event(Finished(R)) == b""
    data += writer.end(USAGE)
    assert (done, writer.ended) == (["completed"], True)
    payloads = frames(data)
    assert [one["sequence_number"] for one in payloads] == list(range(len(payloads)))
    assert payloads[-1]["response"]["completed_at"] == 5


def test_an_error_before_any_event_still_begins_the_response():
    done = []
    writer = ResponseWriter(answer_of(), lambda: 5.0, lambda answer: done.append(answer.status))
    assert kinds(frames(writer.error(WorkerLost("gone"), Usage()))) == ["created", "in_progress", "failed"]
    assert done == ["failed"]
