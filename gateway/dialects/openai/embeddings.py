"""Embeddings: OpenAI's body to the wire's `Embed`, and its vectors to the answer's bytes.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from gateway.dialects.openai.fields import is_token_id, to_token_ids
from gateway.dialects.openai.lenient import WHOLE, Lenient
from gateway.dialects.openai.parameters import Fate, refuse_unsupported, refused, table
from gateway.dialects.openai.validate import validate
from shared.errors import InternalError, InvalidRequest
from shared.messages import Accepted, Delta, Embed, EmbedInput, Usage, Vectors

MAX_INPUTS = 2048
_FLOAT = 4  # bytes

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "openai",
        {
            "model": "id or alias of a hosted model; left out: the default for embeddings",
            "input": f"a text, token ids, or a list of up to {MAX_INPUTS} of them; none may be empty",
            "encoding_format": "float, or base64 of little-endian float32",
            "dimensions": "shorter vectors, of length one again",
        },
    ),
    *table(Fate.IGNORED, "openai", {"user": "the client's own label"}),
    refused("truncate_prompt_tokens", "an input is taken whole or refused"),
)

_ONE = [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]
_SCHEMA = {"anyOf": [*_ONE, {"type": "array", "items": {"anyOf": _ONE}, "maxItems": MAX_INPUTS}]}
_row_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class EmbeddingsRequest(Lenient):
    """The parameters that are honoured; `PARAMETERS` knows the fate of the others. `to_embed` checks `input`."""

    model: str | None = None
    input: Annotated[Any, WithJsonSchema(_SCHEMA)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, lt=2**31), WHOLE] | None = None


def parse_embeddings(body: Mapping[str, Any]) -> EmbeddingsRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body, PARAMETERS)
    return validate(EmbeddingsRequest, body)


def to_embed(request: EmbeddingsRequest, request_id: str) -> Embed:
    """The wire's meaning of a parsed request. Raises InvalidRequest naming `input` or `input[i]`."""
    return Embed(request_id, _inputs(request.input), request.dimensions)


def _inputs(value: Any) -> tuple[EmbedInput, ...]:
    if not isinstance(value, list) or (value and is_token_id(value[0])):
        return (_input(value, "input"),)
    if not value:
        raise _empty("input")
    if len(value) > MAX_INPUTS:
        raise InvalidRequest(
            f"Invalid value for 'input': expected at most {MAX_INPUTS} items, but got {len(value)}.", param="input"
        )
    return tuple(_input(item, f"input[{index}]") for index, item in enumerate(value))


def _input(value: Any, name: str) -> EmbedInput:
    if not isinstance(value, str | list):
        raise InvalidRequest(f"Invalid type for '{name}': expected a string or a list of token ids.", param=name)
    if not value:
        raise _empty(name)
    if isinstance(value, str):
        return EmbedInput(text=value)
    tokens = to_token_ids(value, name)
    return EmbedInput(tokens=tokens)


def _empty(name: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{name}': it must not be empty.", param=name)


# ------------------------------------------------------------------ the answer
def find_vectors(events: Sequence[Accepted | Delta], count: int) -> Vectors:
    """The vectors of `count` inputs. Raises InternalError when they are not there."""
    for event in events:
        if isinstance(event, Vectors) and memoryview(event.data.data).nbytes == count * event.dimensions * _FLOAT:
            return event
    raise InternalError("The model did not answer with a vector for each input.")


def to_embeddings(vectors: Vectors, model: str, encoding: str | None, usage: Usage) -> bytes:
    """The answer as JSON. Each row is dumped alone: in a thread, other threads get their turn between rows."""
    dump = _base64 if encoding == "base64" else _floats
    data, size = memoryview(vectors.data.data).cast("B"), vectors.dimensions * _FLOAT
    rows = (
        f'{{"object":"embedding","index":{index},"embedding":{dump(data[start : start + size])}}}'
        for index, start in enumerate(range(0, len(data), size))
    )
    tokens = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    end = json.dumps({"model": model, "usage": tokens})
    return f'{{"object":"list","data":[{",".join(rows)}],{end[1:]}'.encode()


def _base64(row: memoryview) -> str:
    return f'"{base64.b64encode(row).decode()}"'


def _floats(row: memoryview) -> str:
    """Raises InternalError for what is not a number: JSON can't say it."""
    floats = array("f", bytes(row))
    if sys.byteorder == "big":
        floats.byteswap()
    try:
        return _row_to_json(floats.tolist())
    except ValueError:
        raise InternalError("The model answered with a vector that holds no numbers.") from None
