"""What clients get wrong: a clear error in OpenAI's shape that names the parameter, and a worker that lives on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.node import Node

HELLO = [{"role": "user", "content": "Hello!"}]

CASES: list[tuple[str, dict[str, Any], str | None]] = [
    ("no messages", {"messages": []}, "messages"),
    ("messages of a wrong type", {"messages": "hello"}, "messages"),
    ("a message without content", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("an unknown role", {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ("a picture for a text model", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}, "messages[0].content[0]"),  # noqa: E501
    ("temperature above 2", {"temperature": 3}, "temperature"),
    ("temperature as text", {"temperature": "hot"}, "temperature"),
    ("negative max_tokens", {"max_tokens": -1}, "max_tokens"),
    ("max_tokens 0", {"max_tokens": 0}, "max_tokens"),
    ("top_p above 1", {"top_p": 1.5}, "top_p"),
    ("n 0", {"n": 0}, "n"),
    ("n a million", {"n": 1_000_000}, "n"),
    ("an empty stop", {"stop": ""}, "stop"),
    ("too many alternatives", {"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
    ("alternatives without logprobs", {"top_logprobs": 2}, "top_logprobs"),
    ("a bias on no token", {"logit_bias": {"999999999": 5}}, "logit_bias"),
    ("a bias out of range", {"logit_bias": {"1": 1000}}, "logit_bias.1"),
    ("stop ids out of range", {"stop_token_ids": [10**9]}, "stop_token_ids"),
    ("top_k negative", {"top_k": -7}, "top_k"),
    ("min_p above 1", {"min_p": 2}, "min_p"),
    ("repetition_penalty 0", {"repetition_penalty": 0}, "repetition_penalty"),
    ("beam search", {"use_beam_search": True}, "use_beam_search"),
    ("reserved template arguments", {"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs"),
    ("seed as text", {"seed": "x"}, "seed"),
    ("stream options without stream", {"stream_options": {"include_usage": True}}, "stream_options"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _worker_lives_on(node: Node) -> Iterator[None]:
    before = node.worker()["pid"]
    yield
    assert node.chat(max_tokens=1).status_code == 200
    assert node.worker()["pid"] == before


@pytest.mark.parametrize(("case", "body", "param"), CASES, ids=[case for case, _, _ in CASES])
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_value_is_a_400_naming_it(
    node: Node, case: str, body: dict[str, Any], param: str | None, stream: bool
) -> None:
    if case == "stream options without stream" and stream:
        pytest.skip("right with stream")
    answer = node.chat(**body, **({"stream": True} if stream else {}))
    assert answer.status_code == 400, (case, answer.text)
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1, 2]", b"null", b'"text"', b'{"model": "demo-chat", "messages": [' + b"[" * 100_000, b"\xff\xfe",
     b'{"model": "demo-chat", "messages": [{"role": "user", "content": "\xc3("}]}',
     b'{"model": "demo-chat", "messages": [{"role": "user", "content": "\\ud800"}]}',
     b'{"model": "demo-chat", "temperature": NaN, "messages": [{"role": "user", "content": "x"}]}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_a_400(node: Node, body: bytes) -> None:
    answer = httpx.post(
        node.url + "/v1/chat/completions", content=body, headers={"content-type": "application/json"}, timeout=60
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_unknown_fields_are_tolerated(node: Node) -> None:
    assert node.chat(max_tokens=1, a_field_from_the_future={"x": 1}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
def test_other_routes_answer_in_shape(node: Node, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, node.url + path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
