from __future__ import annotations

import json

import pytest
from openai.types import Completion

from gateway.dialects.openai.answer import Identity
from gateway.dialects.openai.completion_answer import CompletionAnswer, CompletionWriter
from gateway.dialects.openai.completions import CompletionOptions
from shared.errors import InternalError, WorkerLost
from shared.messages import (
    Accepted,
    Alternative,
    ChoiceFinished,
    Finished,
    PromptEcho,
    TextDelta,
    TokenLogprob,
    Usage,
)

IDENTITY = Identity("cmpl-1", 1_700_000_000, "m", "mlx-gateway-1")
USAGE = Usage(prompt_tokens=7, completion_tokens=3)


def token(text, logprob=-0.5, *top):
    return TokenLogprob(1, text, text.encode(), logprob, tuple(Alternative(2, t, t.encode(), p) for t, p in top))


def play(*events, requests=("r",), usage=USAGE, **wanted):
    """What an answer and a stream say of the same events; the client's types know no null, which OpenAI echoes."""
    answer = CompletionAnswer(IDENTITY, requests, CompletionOptions(**wanted))
    for event in events:
        answer.add(event)
    whole = answer.result(usage)
    if not any(isinstance(event, PromptEcho) for event in events):
        Completion.model_validate(whole)
    writer = CompletionWriter(IDENTITY, requests, CompletionOptions(**wanted))
    sent = b"".join(map(writer.event, events)) + writer.end(usage)
    chunks = [json.loads(one[6:]) for one in sent.decode().split("\n\n")[:-2]]
    assert sent.endswith(b"data: [DONE]\n\n")
    texts = [""] * len(whole["choices"])
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole["choices"]]
    return whole, chunks


def test_an_answer_and_its_stream():
    whole, chunks = play(Accepted("r"), TextDelta("r", 0, "Hi"), ChoiceFinished("r", 0, "stop", "END"), Finished("r"))
    assert whole["choices"] == [
        {"index": 0, "text": "Hi", "logprobs": None, "finish_reason": "stop", "stop_reason": "END"}
    ]
    assert (whole["object"], whole["id"], whole["usage"]["total_tokens"]) == ("text_completion", "cmpl-1", 10)
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None, "stop"]
    assert "usage" not in chunks[0]


def test_the_choices_of_several_prompts():
    events = [
        TextDelta("b", 0, "B0"),
        TextDelta("a", 1, "A1"),
        TextDelta("a", 0, "A0"),
        TextDelta("b", 1, "B1"),
        *(ChoiceFinished(request, choice, "length") for request in "ab" for choice in (0, 1)),
    ]
    whole, _ = play(*events, requests=("a", "b"), n=2)
    assert [(one["index"], one["text"]) for one in whole["choices"]] == [(0, "A0"), (1, "A1"), (2, "B0"), (3, "B1")]


def test_usage_comes_last_where_it_was_asked_for():
    _, chunks = play(TextDelta("r", 0, "x"), ChoiceFinished("r", 0, "stop"), include_usage=True)
    assert [one["usage"] and one["usage"]["total_tokens"] for one in chunks] == [None, None, 10]
    assert chunks[-1]["choices"] == []


def test_log_probabilities_in_the_legacy_shape():
    euro = "€".encode()
    halves = [TokenLogprob(1, "�", euro[:1], -1.0), TokenLogprob(1, "�", euro[1:], -2.0)]
    events = [
        TextDelta("r", 0, "Hü", (token("Hü", -0.5, ("Hü", -0.5), ("Ho", -1.5)),)),
        TextDelta("r", 0, "", (halves[0],)),
        TextDelta("r", 0, "€", (halves[1],)),
        TextDelta("r", 0, "!", (token("!", float("-inf"), ("?", -0.1)),)),
        ChoiceFinished("r", 0, "stop"),
    ]
    whole, _ = play(*events, logprobs=True)
    assert whole["choices"][0]["logprobs"] == {
        "tokens": ["Hü", "�", "�", "!"],
        "token_logprobs": [-0.5, -1.0, -2.0, -9999.0],
        "top_logprobs": [{"Hü": -0.5, "Ho": -1.5}, {"�": -1.0}, {"�": -2.0}, {"?": -0.1, "!": -9999.0}],
        "text_offset": [0, 2, 2, 3],
    }
    assert play(*events)[0]["choices"][0]["logprobs"] is None


def test_the_prompt_comes_first_in_every_choice():
    echo = PromptEcho("r", "Say é", (1, 2, 3), (None, token(" "), token("é")))
    ends = [ChoiceFinished("r", choice, "length") for choice in (0, 1)]
    whole, chunks = play(echo, TextDelta("r", 1, "h", (token("h"),)), *ends, n=2, logprobs=True)
    assert [one["text"] for one in whole["choices"]] == ["Say é", "Say éh"]
    assert whole["choices"][1]["logprobs"] == {
        "tokens": ["Say", " ", "é", "h"],
        "token_logprobs": [None, -0.5, -0.5, -0.5],
        "top_logprobs": [None, {" ": -0.5}, {"é": -0.5}, {"h": -0.5}],
        "text_offset": [0, 3, 4, 5],
    }
    assert chunks[0]["choices"][0]["text"] == "Say é"


def test_a_first_token_that_is_not_in_the_text():
    """A tokenizer's own start token."""
    whole, _ = play(PromptEcho("r", "a", (0, 1), (None, token("a"))), ChoiceFinished("r", 0, "length"), logprobs=True)
    assert whole["choices"][0]["logprobs"]["tokens"] == ["", "a"]
    assert whole["choices"][0]["logprobs"]["text_offset"] == [0, 0]


def test_an_echo_without_log_probabilities():
    whole, _ = play(PromptEcho("r", "a", (0, 1)), ChoiceFinished("r", 0, "length"))
    assert (whole["choices"][0]["text"], whole["choices"][0]["logprobs"]) == ("a", None)


@pytest.mark.parametrize("make", [CompletionAnswer, CompletionWriter])
def test_an_end_without_every_finish_is_an_error(make):
    made = make(IDENTITY, ("a", "b"), CompletionOptions())
    (made.add if isinstance(made, CompletionAnswer) else made.event)(ChoiceFinished("a", 0, "stop"))
    with pytest.raises(InternalError):
        (made.result if isinstance(made, CompletionAnswer) else made.end)(USAGE)


def test_an_error_event():
    told = CompletionWriter(IDENTITY, ("r",), CompletionOptions(include_usage=True)).error(WorkerLost("gone"), USAGE)
    body = json.loads(told[6:])
    assert (body["error"]["code"], body["usage"]["completion_tokens"]) == ("worker_lost", 3)
