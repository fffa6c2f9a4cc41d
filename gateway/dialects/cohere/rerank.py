"""A rerank body to the wire's `Rerank`, and its scores to an answer that both Cohere's and Jina's clients read.

https://docs.cohere.com/reference/rerank and https://api.jina.ai/redoc
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.dialects.openai.lenient import WHOLE, Lenient
from gateway.dialects.openai.parameters import Fate, refuse_unsupported, refused, table
from gateway.dialects.openai.validate import validate
from shared.errors import InternalError
from shared.messages import Accepted, Delta, Rerank, Scores, Usage

MAX_DOCUMENTS = 10_000

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "cohere",
        {
            "model": "id or alias of a hosted model; left out: the default for reranking",
            "query": "what the documents are compared with",
            "documents": f"up to {MAX_DOCUMENTS} texts, or objects with a text",
            "top_n": "only so many results",
            "return_documents": "true: each result holds its document",
        },
    ),
    *table(Fate.IGNORED, "cohere", {"priority": "requests are served fairly"}),
    refused("max_tokens_per_doc", "a document is read whole, up to the model's context", origin="cohere"),
    refused("max_chunks_per_doc", "a document is read whole, up to the model's context", origin="cohere"),
    refused("rank_fields", "a document's text is what is ranked", [], ["text"], origin="cohere"),
    refused("truncate_prompt_tokens", "a document is read whole or refused"),
)


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return value["text"]
    raise PydanticCustomError("expected", "a string or an object with a text")


_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"text": {"type": "string"}}}]}
Document = Annotated[str, BeforeValidator(_as_text), WithJsonSchema(_SCHEMA)]


class RerankRequest(Lenient):
    """The parameters that are honoured; `PARAMETERS` knows the fate of the others."""

    model: str | None = None
    query: Document = Field(min_length=1)
    documents: list[Document] = Field(min_length=1, max_length=MAX_DOCUMENTS)
    top_n: Annotated[int, Field(ge=1), WHOLE] | None = None
    return_documents: bool | None = None


def parse_rerank(body: Mapping[str, Any]) -> RerankRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body, PARAMETERS)
    return validate(RerankRequest, body)


def to_rerank(request: RerankRequest, request_id: str) -> Rerank:
    return Rerank(request_id, request.query, tuple(request.documents))


def to_results(
    events: Sequence[Accepted | Delta], request: RerankRequest, request_id: str, model: str, usage: Usage
) -> dict[str, Any]:
    """The best documents first; of equals the earlier. Raises InternalError when a score is missing."""
    scores = next((event.scores for event in events if isinstance(event, Scores)), ())
    if len(scores) != len(request.documents):
        raise InternalError("The model did not answer with a score for each document.")
    best = sorted(enumerate(scores), key=lambda one: -one[1])[: request.top_n]
    shown = request.documents if request.return_documents else None
    return {
        "id": request_id,
        "model": model,
        "results": [
            {"index": index, "relevance_score": score, **({"document": {"text": shown[index]}} if shown else {})}
            for index, score in best
        ],
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": 1},
            "tokens": {"input_tokens": usage.prompt_tokens, "output_tokens": 0},
        },
    }
