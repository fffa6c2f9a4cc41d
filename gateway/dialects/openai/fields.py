"""Request fields that chat completions and completions share, and the wire's `Sampling` of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gateway.dialects.openai.lenient import WHOLE, Lenient, as_integer
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Sampling

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_CHOICES = 32

TokenId = Annotated[int, Field(ge=0, lt=2**31), WHOLE]
Count = Annotated[int, Field(ge=1, le=INT64_MAX), WHOLE]


def _as_texts(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("empty", "it must not be empty")
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) or value is None:
        return value
    raise PydanticCustomError("expected", "a string or a list of strings")


StopTexts = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_texts)]
Bias = Annotated[float, Field(ge=-100, le=100)]


class SamplingFields(Lenient):
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Field(ge=-1, le=INT64_MAX), WHOLE] | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    seed: Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX), WHOLE] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=INT64_MAX), WHOLE] | None = None
    stop: StopTexts | None = Field(None, max_length=64)
    stop_token_ids: list[TokenId] | None = None
    logit_bias: dict[str, Bias] | None = None
    allowed_token_ids: list[TokenId] | None = Field(None, min_length=1)
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None


class StreamOptions(Lenient):
    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class StreamFields(Lenient):
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def check_stream(request: StreamFields) -> None:
    """Raises InvalidRequest."""
    if request.stream_options is None:
        return
    if not request.stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    if request.stream_options.continuous_usage_stats:
        raise unsupported("stream_options.continuous_usage_stats", "usage comes once, at the end")


def to_sampling(request: SamplingFields, limit: int | None, logprobs: int | None) -> Sampling:
    """`limit` is the most tokens, `logprobs` the alternatives a token. Raises InvalidRequest."""
    if limit is not None and request.min_tokens is not None and request.min_tokens > limit:
        raise InvalidRequest(f"'min_tokens' can't be above the limit of {limit} tokens.", param="min_tokens")
    greedy = request.top_p == 0  # the smallest nucleus is the likeliest token
    return Sampling(
        temperature=request.temperature,
        top_p=None if greedy else request.top_p,
        top_k=1 if greedy else request.top_k,
        min_p=request.min_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        repetition_penalty=request.repetition_penalty,
        seed=request.seed,
        max_tokens=limit,
        min_tokens=request.min_tokens,
        logit_bias=tuple((_token_id(key), bias) for key, bias in (request.logit_bias or {}).items()),
        allowed_token_ids=tuple(request.allowed_token_ids or ()),
        stop=tuple(request.stop or ()),
        stop_token_ids=tuple(request.stop_token_ids or ()),
        include_stop_str_in_output=bool(request.include_stop_str_in_output),
        ignore_eos=bool(request.ignore_eos),
        skip_special_tokens=request.skip_special_tokens is not False,
        logprobs=logprobs,
    )


def unsupported(param: str, note: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"Unsupported parameter: '{param}' is not supported ({note}).", param=param)


def is_token_id(value: Any) -> bool:
    value = as_integer(value)
    return type(value) is int and 0 <= value < 2**31


def to_token_ids(values: Sequence[Any], param: str) -> tuple[int, ...]:
    """Raises InvalidRequest."""
    if not all(map(is_token_id, values)):
        raise InvalidRequest(f"Invalid value for '{param}': token ids are integers from 0 to {2**31 - 1}.", param=param)
    return tuple(map(as_integer, values))


def _token_id(key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) <= 10 and int(key) < 2**31):
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {key[:20]!r}; keys are token ids, written as text.", param="logit_bias"
        )
    return int(key)
