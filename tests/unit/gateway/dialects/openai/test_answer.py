from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletion

from gateway.dialects.openai.answer import Completion, Identity, to_piece
from shared.errors import InternalError
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

IDENTITY = Identity("chatcmpl-1", 1_700_000_000, "chat", "mlx-gateway-1")
USAGE = Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=3, reasoning_tokens=1)
TOKEN = TokenLogprob(5, "é", "é".encode(), -0.5, (Alternative(6, "e", b"e", float("-inf")),))


def fold(*events, n=1, logprobs=False, include_reasoning=True):
    completion = Completion(IDENTITY, n, logprobs=logprobs, include_reasoning=include_reasoning)
    for event in events:
        completion.add(event)
    answer = completion.result(USAGE)
    ChatCompletion.model_validate(answer, strict=True)  # what the official client checks
    return answer


def test_a_broken_call_keeps_what_it_has():
    answer = fold(
        ToolCallDelta("r", 0, 0, "c0", "f"),
        ToolCallDelta("r", 0, 0, arguments='{"a": oops}'),
        ToolCallDelta("r", 0, 0, broken=True),
        ToolCallDelta("r", 0, 1, "c1", "g", broken=True),
        ChoiceFinished("r", 0, "tool_calls"),
    )
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"a": oops}', ""]
    assert to_piece(ToolCallDelta("r", 0, 0, broken=True)) is None


def test_a_plain_answer_in_full():
    answer = fold(
        Accepted("r", 7),
        TextDelta("r", 0, "Hel"),
        TextDelta("r", 0, "lo"),
        ChoiceFinished("r", 0, "stop"),
        Finished("r"),
    )
    assert answer == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "chat",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
                "stop_reason": None,
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 1,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "mlx-gateway-1",
    }


def test_reasoning_stands_apart_under_both_names():
    events = (ReasoningDelta("r", 0, "h"), ReasoningDelta("r", 0, "m"), TextDelta("r", 0, "4"))
    message = fold(*events, ChoiceFinished("r", 0, "stop"))["choices"][0]["message"]
    assert (message["content"], message["reasoning"], message["reasoning_content"]) == ("4", "hm", "hm")
    silent = fold(*events, ChoiceFinished("r", 0, "stop"), include_reasoning=False)["choices"][0]["message"]
    assert "reasoning" not in silent
    assert "reasoning_content" not in silent


def test_tool_calls_are_put_together():
    message = fold(
        ToolCallDelta("r", 0, 0, "call_a", "f"),
        ToolCallDelta("r", 0, 0, arguments='{"x"'),
        ToolCallDelta("r", 0, 1, "call_b", "g", "{}"),
        ToolCallDelta("r", 0, 0, arguments=": 1}"),
        ChoiceFinished("r", 0, "tool_calls"),
    )["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_an_empty_answer_has_empty_content():
    assert fold(ChoiceFinished("r", 0, "length"))["choices"][0]["message"]["content"] == ""


def test_choices_stay_apart():
    answer = fold(
        TextDelta("r", 1, "b"),
        TextDelta("r", 0, "a"),
        ChoiceFinished("r", 1, "length"),
        ChoiceFinished("r", 0, "stop", "END"),
        n=2,
    )
    found = [(c["index"], c["message"]["content"], c["finish_reason"], c["stop_reason"]) for c in answer["choices"]]
    assert found == [(0, "a", "stop", "END"), (1, "b", "length", None)]


def test_logprobs():
    answer = fold(TextDelta("r", 0, "é", (TOKEN,)), ChoiceFinished("r", 0, "stop"), logprobs=True)
    assert answer["choices"][0]["logprobs"] == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [{"token": "e", "logprob": -9999.0, "bytes": [101]}],
            }
        ],
        "refusal": None,
    }


def test_an_answer_that_was_cut_is_an_error():
    with pytest.raises(InternalError):
        fold(TextDelta("r", 0, "a"), ChoiceFinished("r", 0, "stop"), n=2)


@pytest.mark.parametrize("event", [Accepted("r"), Finished("r"), TextDelta("r", 0, ""), ReasoningDelta("r", 0, "")])
def test_events_that_show_nothing(event):
    assert to_piece(event) is None


def test_a_token_whose_text_is_held_back_keeps_its_logprobs():
    piece = to_piece(TextDelta("r", 0, "", (TOKEN,)))
    assert piece is not None
    assert piece.logprobs == (TOKEN,)
