"""Legacy completions through the official client against a real node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai import OpenAI

from tests import models
from tests.integration.node import Node, serve, until

PROMPT = "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
ANSWER = "Hello! How can I help you today?"
HELLO = {"model": "demo-chat", "prompt": PROMPT, "temperature": 0, "max_tokens": 30}


@pytest.fixture(scope="module")
def lenient(node: Node) -> Iterator[OpenAI]:
    """OpenAI itself answers null for a first token and in a stream for a finish; its client's types know neither."""
    with OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0) as found:
        yield found


def tokens_of(node: Node, text: str) -> list[int]:
    answer = httpx.post(node.url + "/tokenize", json={"model": "demo-chat", "prompt": text})
    return [int(token) for token in answer.json()["tokens"]]


def test_a_text_and_its_tokens_are_continued_alike(client: OpenAI, node: Node) -> None:
    answer = client.completions.create(**HELLO)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert answer.usage
    again = client.completions.create(**{**HELLO, "prompt": tokens_of(node, PROMPT)})
    assert (again.choices[0].text, again.usage and again.usage.prompt_tokens) == (ANSWER, answer.usage.prompt_tokens)


def test_a_thought_is_raw_text(client: OpenAI) -> None:
    answer = client.completions.create(**{**HELLO, "prompt": PROMPT.removesuffix("<think>\n\n</think>\n\n")})
    assert answer.choices[0].text.startswith("<think>\n")
    assert answer.choices[0].text.endswith(ANSWER)


def test_several_prompts_with_several_choices_in_one_answer_and_one_stream(client: OpenAI, lenient: OpenAI) -> None:
    asked = {**HELLO, "prompt": [PROMPT, "Hello"], "n": 2, "seed": 3, "max_tokens": 12}
    answer = client.completions.create(**asked)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].text == answer.choices[1].text == ANSWER
    texts = ["", "", "", ""]
    usage = None
    for chunk in lenient.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
        usage = chunk.usage or usage
    assert texts == [choice.text for choice in answer.choices]
    assert usage
    assert answer.usage
    assert usage.completion_tokens == answer.usage.completion_tokens


def test_sixteen_tokens_unless_told(client: OpenAI) -> None:
    asked = {"model": "demo-chat", "prompt": "Hello", "extra_body": {"ignore_eos": True}}
    answer = client.completions.create(**asked)
    assert answer.usage
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (16, "length")


def test_log_probabilities_and_offsets(client: OpenAI) -> None:
    choice = client.completions.create(**HELLO, logprobs=2).choices[0]
    found = choice.logprobs
    assert found
    assert "".join(found.tokens or []) == ANSWER
    assert [
        ANSWER[at:][: len(token)] for at, token in zip(found.text_offset or [], found.tokens or [], strict=True)
    ] == (found.tokens)
    for token, logprob, top in zip(
        found.tokens or [], found.token_logprobs or [], found.top_logprobs or [], strict=True
    ):
        assert top[token] == logprob == max(top.values())  # greedy takes the best


def test_an_echo_is_scored_as_the_text_was_when_it_was_written(client: OpenAI, lenient: OpenAI) -> None:
    written = client.completions.create(**HELLO, logprobs=0).choices[0].logprobs
    assert written
    answer = lenient.completions.create(**{**HELLO, "prompt": PROMPT + ANSWER, "max_tokens": 0}, echo=True, logprobs=0)
    echoed = answer.choices[0].logprobs
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (PROMPT + ANSWER, "length")
    assert answer.usage
    assert answer.usage.completion_tokens == 0
    assert echoed
    assert echoed.token_logprobs
    assert echoed.token_logprobs[0] is None
    assert "".join(echoed.tokens or []) == PROMPT + ANSWER
    count = len(written.tokens or [])
    for before, after in zip(written.token_logprobs or [], echoed.token_logprobs[-count:], strict=True):
        assert math.isclose(before, after, abs_tol=5e-3)
    more = lenient.completions.create(**{**HELLO, "prompt": PROMPT, "max_tokens": 3}, echo=True)
    assert more.choices[0].text.startswith(PROMPT + "Hello!")


def test_stop_bias_and_formats(client: OpenAI, node: Node) -> None:
    assert client.completions.create(**HELLO, stop=" help").choices[0].text == "Hello! How can I"
    ban = {str(tokens_of(node, "Hello")[0]): -100}
    assert not client.completions.create(**HELLO, logit_bias=ban).choices[0].text.startswith("Hello")
    answer = client.completions.create(**HELLO, extra_body={"guided_choice": ["maybe", "never"]})
    assert answer.choices[0].text in ("maybe", "never")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 5}, "best_of"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": [[1], [10**6]]}, "prompt[1][0]"),
        ({"prompt": ["a", "word " * 60_000]}, "prompt[1]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"logprobs": 99}, "logprobs"),
    ],
)
def test_what_is_wrong_is_named_and_the_next_request_is_answered(
    client: OpenAI, change: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{**HELLO, **change})
    assert caught.value.param == param
    assert client.completions.create(**HELLO).choices[0].text == ANSWER


def test_leaving_a_stream_frees_the_rows_of_all_prompts(lenient: OpenAI, node: Node) -> None:
    stream = lenient.completions.create(
        model="demo-chat", prompt=["a", "b", "c"], stream=True, max_tokens=30_000, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    until(lambda: node.worker()["stats"]["running"] == 3)
    stream.close()
    until(lambda: node.worker()["stats"]["running"] == 0 and node.worker()["open_requests"] == 0)


def test_a_model_without_a_chat_template(tmp_path: Path) -> None:
    folder = models.build("llama", tmp_path / "base-model")
    models.write_tokenizer(folder, template=None)
    with serve(tmp_path / "log", str(folder)) as node, OpenAI(base_url=node.url + "/v1", api_key="none") as client:
        answer = client.completions.create(model="base-model", prompt="Once", max_tokens=5)
        assert answer.usage
        assert answer.usage.prompt_tokens == 4
        with pytest.raises(openai.BadRequestError, match="no chat template"):
            client.chat.completions.create(model="base-model", messages=[{"role": "user", "content": "Once"}])
