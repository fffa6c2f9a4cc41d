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


CYCLE = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
NOWHERE = {"$ref": "#/$defs/nowhere"}
OUTSIDE = {"$ref": "https://example.com/schema.json"}
HUGE = {"enum": ["x" * 1000 + str(number) for number in range(300)]}
BOMB = "((a{1000}){1000}){1000}"


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


DEEP = deep(100)
SCHEMAS: list[tuple[str, dict[str, Any]]] = [
    ("a cycle", CYCLE),
    ("a reference to nowhere", NOWHERE),
    ("a reference to the outside", OUTSIDE),
    ("a huge schema", HUGE),
    ("a deep schema", DEEP),
    ("a bomb of a pattern", {"type": "string", "pattern": BOMB}),
]
IDS = [case for case, _ in SCHEMAS]
F = {"name": "f", "parameters": {"type": "object"}}


def tools(*functions: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function} for function in functions]}


GRAMMARS: list[tuple[str, dict[str, Any], str]] = [
    ("two formats", {"guided_choice": ["a"], "response_format": {"type": "json_object"}}, "guided_choice"),
    ("no choice", {"guided_choice": []}, "guided_choice"),
    ("a choice twice", {"guided_choice": ["a", "a"]}, "guided_choice"),
    ("a bomb", {"guided_regex": BOMB}, "guided_regex"),
    ("a long pattern", {"guided_regex": "a" * 100_000}, "guided_regex"),
    ("a broken pattern", {"guided_regex": "foo("}, "guided_regex"),
    ("a broken grammar", {"guided_grammar": "start: ("}, "guided_grammar"),
    ("a schema as broken text", {"guided_json": "[" * 50_000}, "guided_json"),
    ("an unknown format", {"response_format": {"type": "xml"}}, "response_format.type"),
    ("two tools of a name", tools(F, F), "tools[1].function.name"),
    ("an illegal name", tools(F, {"name": "rm -rf"}), "tools[1].function.name"),
    ("a long name", tools({"name": "x" * 65}), "tools[0].function.name"),
    ("an empty name", tools({"name": ""}), "tools[0].function.name"),
    ("too many tools", tools(*({"name": f"f{number}"} for number in range(600))), "tools"),
    ("required without tools", {"tool_choice": "required"}, "tool_choice"),
    (
        "an unknown tool",
        {**tools(F), "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice.function.name",
    ),
]


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


@pytest.mark.parametrize(("case", "body", "param"), GRAMMARS, ids=[case for case, _, _ in GRAMMARS])
def test_a_wrong_format_or_tool_is_a_400_naming_it(node: Node, case: str, body: dict[str, Any], param: str) -> None:
    answer = node.chat(**body)
    assert answer.status_code == 400, (case, answer.text[:500])
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(("case", "schema"), SCHEMAS, ids=IDS)
def test_a_wrong_schema_is_a_400_naming_it(node: Node, case: str, schema: dict[str, Any]) -> None:
    strict = tools({"name": "f", "parameters": schema, "strict": True})
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    for body, param in (
        ({"response_format": wanted}, "response_format.json_schema.schema"),
        ({"guided_json": schema}, "guided_json"),
        (strict, "tools[0].function.parameters"),
    ):
        answer = node.chat(**body)
        assert answer.status_code == 400, (case, answer.text[:500])
        assert answer.json()["error"]["param"] == param
        assert len(answer.text) < 1000


@pytest.mark.parametrize(("case", "schema"), SCHEMAS, ids=IDS)
def test_a_wrong_schema_in_anthropics_words(node: Node, case: str, schema: dict[str, Any]) -> None:
    tool = {"name": "f", "input_schema": schema, "strict": True}
    for more, path in (
        ({"output_config": {"format": {"type": "json_schema", "schema": schema}}}, "output_config.format.schema: "),
        ({"tools": [tool]}, "tools.0.input_schema: "),
        ({"tools": [tool], "tool_choice": {"type": "any"}}, "tools.0.input_schema: "),
    ):
        answer = node.post("/v1/messages", json={"model": "demo-chat", "max_tokens": 5, "messages": HELLO, **more})
        error = answer.json()
        assert (answer.status_code, error["type"]) == (400, "error"), (case, answer.text[:500])
        assert error["error"]["type"] == "invalid_request_error"
        assert error["error"]["message"].startswith(path)


@pytest.mark.parametrize(
    ("name", "path"), [("f", "tools.1.name: "), ("a b", "tools.1.name: "), ("x" * 129, "tools.1.name: ")]
)
def test_a_wrong_tool_in_anthropics_words(node: Node, name: str, path: str) -> None:
    given = [{"name": one, "input_schema": {"type": "object"}} for one in ("f", name)]
    body = {"model": "demo-chat", "max_tokens": 5, "messages": HELLO, "tools": given}
    answer = node.post("/v1/messages", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(path)


def test_recursion_that_ends_is_no_mistake(node: Node) -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}, "maxItems": 1}}}
    assert node.chat(guided_json=tree, max_tokens=3).status_code == 200


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
