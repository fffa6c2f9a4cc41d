"""JSON Schema's integers: 1.0 is one, 1.5 is none, on every surface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from gateway.dialects.anthropic.schema import MessagesRequest
from gateway.dialects.anthropic.validate import validate as validate_anthropic
from gateway.dialects.cohere.rerank import RerankRequest
from gateway.dialects.openai.completions import CompletionRequest, parse_completion, to_works
from gateway.dialects.openai.embeddings import EmbeddingsRequest, parse_embeddings, to_embed
from gateway.dialects.openai.lenient import WHOLE
from gateway.dialects.openai.responses.schema import ResponsesRequest
from gateway.dialects.openai.schema import ChatRequest, DetokenizeRequest
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest

REQUESTS = (ChatRequest, CompletionRequest, DetokenizeRequest, EmbeddingsRequest, MessagesRequest, RerankRequest)
HI = [{"role": "user", "content": "hi"}]


def schemas(kind: Any) -> Iterator[type[BaseModel]]:
    """A request's models, those inside of it too."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from schemas(field.annotation)
    for inner in get_args(kind):
        yield from schemas(inner)


def bare_integers(kind: Any, known: tuple[Any, ...] = ()) -> bool:
    """Whether an annotation has an `int` that takes no 1.0."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return bare_integers(inner, (*known, *more))
    if kind is int:
        return WHOLE not in known
    return any(bare_integers(inner) for inner in get_args(kind))


@pytest.mark.parametrize("request_schema", [*REQUESTS, ResponsesRequest])
def test_every_integer_field_takes_whole_numbers(request_schema: Any) -> None:
    for schema in set(schemas(request_schema)):
        for name, field in schema.model_fields.items():
            annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            assert not bare_integers(annotation), f"{schema.__name__}.{name}"


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (ChatRequest, {"messages": HI, "max_tokens": 1.0, "seed": 2.0, "top_logprobs": 3.0, "stop_token_ids": [4.0]}),
        (CompletionRequest, {"prompt": "x", "max_tokens": 0.0, "logprobs": 1.0, "best_of": 1.0}),
        (ResponsesRequest, {"input": "x", "max_output_tokens": 16.0, "top_k": -1.0}),
        (RerankRequest, {"query": "x", "documents": ["y"], "top_n": 1.0}),
        (EmbeddingsRequest, {"input": "x", "dimensions": 8.0}),
    ],
)
def test_a_whole_number_is_an_integer(schema: Any, body: dict[str, Any]) -> None:
    request = validate(schema, {"model": "m", **body})
    for name in (name for name, value in body.items() if isinstance(value, float)):
        assert type(getattr(request, name)) is int
        with pytest.raises(InvalidRequest, match=f"'{name}': expected an integer, but got a number") as caught:
            validate(schema, {"model": "m", **body, name: 1.5})
        assert caught.value.param == name


def test_anthropic() -> None:
    body = {"model": "m", "messages": HI, "max_tokens": 5.0, "top_k": 2.0}
    request = validate_anthropic(MessagesRequest, body)
    assert (request.max_tokens, request.top_k) == (5, 2)
    with pytest.raises(InvalidRequest, match="max_tokens: Input should be a valid integer"):
        validate_anthropic(MessagesRequest, body | {"max_tokens": 1.5})


def test_token_ids() -> None:
    (work,) = to_works(parse_completion({"model": "m", "prompt": [1.0, 2]}), "r")
    assert work.prompt.tokens == (1, 2)
    assert to_embed(parse_embeddings({"input": [1.0, 2]}), "r").inputs[0].tokens == (1, 2)
    with pytest.raises(InvalidRequest):
        to_works(parse_completion({"model": "m", "prompt": [1, 2.5]}), "r")


@pytest.mark.parametrize("value", [float("inf"), 1e30, True, "1"])
def test_what_is_no_integer_stays_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate(ChatRequest, {"model": "m", "messages": HI, "seed": value})
    assert caught.value.param == "seed"


def test_the_bounds_stay_in_the_schema() -> None:
    assert ChatRequest.model_json_schema()["properties"]["top_k"]["anyOf"][0] == {
        "maximum": 2**63 - 1,
        "minimum": -1,
        "type": "integer",
    }
