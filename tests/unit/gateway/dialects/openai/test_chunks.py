from __future__ import annotations

import json

import pytest
from openai.types.chat import ChatCompletionChunk

from gateway.dialects.openai.answer import Identity
from gateway.dialects.openai.chunks import ChunkWriter
from shared.errors import InternalError, WorkerLost
from shared.messages import (
    Accepted,
    ChoiceFinished,
    Finished,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

IDENTITY = Identity('chat"1', 1_700_000_000, "chät", "mlx-gateway-1")
USAGE = Usage(prompt_tokens=7, completion_tokens=3)


def writer(n=1, logprobs=False, include_reasoning=True, include_usage=False):
    return ChunkWriter(IDENTITY, n, logprobs=logprobs, include_reasoning=include_reasoning, include_usage=include_usage)


def parse(data):
    """The events; each is one line of data, and every chunk is one that the official client accepts."""
    events = data.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and len(event.splitlines()) == 1 for event in events)
    found = [event.removeprefix("data: ") for event in events]
    chunks = [json.loads(event) if event != "[DONE]" else event for event in found]
    for chunk in chunks:
        if isinstance(chunk, dict) and "error" not in chunk:
            ChatCompletionChunk.model_validate(chunk, strict=True)
    return chunks


def play(made, *events, usage=USAGE):
    return parse(b"".join(map(made.event, events)) + made.end(usage))


def test_a_stream_in_full():
    chunks = play(
        writer(), Accepted("r"), TextDelta("r", 0, "Hi"), ChoiceFinished("r", 0, "stop", "END"), Finished("r")
    )
    head = {
        "id": 'chat"1',
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "chät",
        "service_tier": "default",
        "system_fingerprint": "mlx-gateway-1",
    }

    def choice(delta, finish=None, **more):
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, **more}

    assert chunks == [
        head | {"choices": [choice({"role": "assistant", "content": "", "refusal": None})]},
        head | {"choices": [choice({"content": "Hi"})]},
        head | {"choices": [choice({}, "stop", stop_reason="END")]},
        "[DONE]",
    ]


def test_usage_comes_last_and_is_null_before():
    chunks = play(writer(include_usage=True), TextDelta("r", 0, "Hi"), ChoiceFinished("r", 0, "stop"))
    assert [chunk["usage"] for chunk in chunks[:-2]] == [None, None, None]
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["total_tokens"] == 10
    assert chunks[-1] == "[DONE]"


def test_roles_of_all_choices_come_first_and_once():
    chunks = play(
        writer(n=2),
        Accepted("r"),
        Accepted("r"),
        TextDelta("r", 1, "b"),
        ChoiceFinished("r", 1, "stop"),
        TextDelta("r", 0, "a"),
        ChoiceFinished("r", 0, "length"),
    )
    seen = [(c["choices"][0]["index"], c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in chunks[:-1]]
    role = {"role": "assistant", "content": "", "refusal": None}
    assert seen == [
        (0, role, None),
        (1, role, None),
        (1, {"content": "b"}, None),
        (1, {}, "stop"),
        (0, {"content": "a"}, None),
        (0, {}, "length"),
    ]


def test_reasoning_under_both_names_or_not_at_all():
    events = (ReasoningDelta("r", 0, "hm"), TextDelta("r", 0, "4"), ChoiceFinished("r", 0, "stop"))
    deltas = [chunk["choices"][0]["delta"] for chunk in play(writer(), *events)[:-1]]
    assert deltas[1] == {"reasoning": "hm", "reasoning_content": "hm"}
    silent = [chunk["choices"][0]["delta"] for chunk in play(writer(include_reasoning=False), *events)[:-1]]
    assert silent[1:] == [{"content": "4"}, {}]


def test_tool_calls():
    chunks = play(
        writer(),
        ToolCallDelta("r", 0, 0, "call_a", "f"),
        ToolCallDelta("r", 0, 0, arguments="{}"),
        ChoiceFinished("r", 0, "tool_calls"),
    )
    assert [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks[1:3]] == [
        [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": "{}"}}],
    ]
    assert chunks[3]["choices"][0]["finish_reason"] == "tool_calls"


def test_logprobs():
    token = TokenLogprob(5, "a", b"a", -0.25)
    chunks = play(writer(logprobs=True), TextDelta("r", 0, "a", (token,)), ChoiceFinished("r", 0, "stop"))
    assert chunks[1]["choices"][0]["logprobs"] == {
        "content": [{"token": "a", "logprob": -0.25, "bytes": [97], "top_logprobs": []}],
        "refusal": None,
    }
    unasked = play(writer(), TextDelta("r", 0, "a", (token,)), ChoiceFinished("r", 0, "stop"))
    assert unasked[1]["choices"][0]["logprobs"] is None


@pytest.mark.parametrize("text", ["a\nb", "line\u2028sep", "par\u2029sep", "next\x85line", 'quote"\\', "日本", "\x00"])
def test_any_text_stays_on_one_line_and_comes_back(text):
    chunks = play(writer(), TextDelta("r", 0, text), ChoiceFinished("r", 0, "stop"))
    assert chunks[1]["choices"][0]["delta"]["content"] == text


def test_an_end_without_a_finish_is_an_error():
    made = writer(n=2)
    made.event(ChoiceFinished("r", 0, "stop"))
    with pytest.raises(InternalError):
        made.end(USAGE)


def test_an_error_event():
    error = WorkerLost("gone", retry_after=1)
    wanted = {"error": {"message": "gone", "type": "service_unavailable", "param": None, "code": "worker_lost"}}
    assert parse(writer().error(error, USAGE)) == [wanted]
    [told] = parse(writer(include_usage=True).error(error, USAGE))
    assert (told["error"], told["usage"]["completion_tokens"]) == (wanted["error"], 3)


def test_a_call_that_ends_without_an_argument_gets_its_empty_object():
    chunks = play(
        writer(),
        ToolCallDelta("r", 0, 0, "call_a", "f"),
        TextDelta("r", 0, "", tokens=(1,)),
        ToolCallDelta("r", 0, 1, "call_b", "g"),
        TextDelta("r", 0, "so"),
        ToolCallDelta("r", 0, 2, "call_c", "h"),
        ToolCallDelta("r", 0, 2, arguments="{"),
        ToolCallDelta("r", 0, 2, arguments="}"),
        ToolCallDelta("r", 0, 3, "call_d", "i"),
        ChoiceFinished("r", 0, "tool_calls"),
    )
    arguments = {}
    for chunk in chunks[:-1]:
        for call in chunk["choices"][0]["delta"].get("tool_calls", ()):
            arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    assert arguments == {0: "{}", 1: "{}", 2: "{}", 3: "{}"}


def test_a_call_that_was_cut_in_its_head_stays_as_it_is():
    chunks = play(writer(), ToolCallDelta("r", 0, 0, "call_a", "f"), ChoiceFinished("r", 0, "length"))
    deltas = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks[:-1]]
    assert [delta[0]["function"]["arguments"] for delta in deltas if delta] == [""]


def test_a_call_that_was_named_ends_with_stop():
    events = ToolCallDelta("r", 0, 0, "call_a", "f", "{}"), ChoiceFinished("r", 0, "tool_calls")
    made = ChunkWriter(IDENTITY, 1, logprobs=False, include_reasoning=True, include_usage=False, named_call=True)
    assert play(made, *events)[-2]["choices"][0]["finish_reason"] == "stop"
    assert play(writer(), *events)[-2]["choices"][0]["finish_reason"] == "tool_calls"
