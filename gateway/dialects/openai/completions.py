"""The legacy completions: OpenAI's body with vLLM's extras to the wire's `Generate`s, one a prompt.

https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from gateway.dialects.openai.fields import (
    INT64_MAX,
    SamplingFields,
    StreamFields,
    check_stream,
    is_token_id,
    to_sampling,
    to_token_ids,
    unsupported,
)
from gateway.dialects.openai.lenient import WHOLE
from gateway.dialects.openai.parameters import PARAMETERS as CHAT_PARAMETERS
from gateway.dialects.openai.parameters import Fate, Parameter, refuse_unsupported, refused, table
from gateway.dialects.openai.structured import StructuredFields, to_grammar
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest
from shared.messages import Generate, Prompt

MAX_PROMPTS = 256
DEFAULT_MAX_TOKENS = 16

_TOKENS = {"type": "array", "items": {"type": "integer"}}
_TEXTS = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_PROMPTS}
_PROMPT = {"anyOf": [{"type": "string"}, _TEXTS, _TOKENS, {"type": "array", "items": _TOKENS, "maxItems": MAX_PROMPTS}]}


class CompletionRequest(SamplingFields, StreamFields, StructuredFields):
    """The parameters that are honoured; `PARAMETERS` knows the fate of the others. `to_works` reads the prompt."""

    model: str = Field(min_length=1)
    prompt: Annotated[Any, WithJsonSchema(_PROMPT)]
    max_tokens: Annotated[int, Field(ge=0, le=INT64_MAX), WHOLE] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    best_of: Annotated[int, WHOLE] | None = None
    add_special_tokens: bool | None = None


_OWN = table(
    Fate.HONOURED,
    "openai",
    {
        "prompt": f"a text, token ids, or a list of up to {MAX_PROMPTS} of either; read as it is, without a template",
        "max_tokens": f"left out: {DEFAULT_MAX_TOKENS}; 0: only with echo, nothing is generated",
        "echo": "the prompt comes before the text, with its log-probabilities where those are asked for",
        "logprobs": "0 to 20 alternatives a token",
        "best_of": "only the same number as n",
    },
) + table(
    Fate.HONOURED,
    "vllm",
    {"add_special_tokens": "false: the tokenizer adds none to a prompt's text (it does by default)"},
)
_RAW = (
    refused("suffix", "text is only written at the end of a prompt", "", origin="openai"),
    refused("thinking_token_budget", "a completion knows no thought; use chat completions", -1),
    refused("prompt_embeds", "prompts are texts or token ids"),
    refused("truncation_side", "a prompt is taken whole or refused"),
    refused("logprob_token_ids", "log-probabilities are of the likeliest tokens"),
    refused("repetition_detection", "use the penalties"),
)


_CHAT_ONLY = {"functions", "function_call", "web_search_options", "modalities", "audio", "moderation", "chat_template"}
_FIELDS = set(CompletionRequest.model_fields)


def _shared() -> tuple[Parameter, ...]:
    """Chat's rows for what means the same here."""
    own = {one.name for one in (*_OWN, *_RAW)}
    rows = [one for one in CHAT_PARAMETERS if one.name not in own]
    return tuple(
        one for one in rows if (one.name in _FIELDS if one.fate is Fate.HONOURED else one.name not in _CHAT_ONLY)
    )


PARAMETERS = (*_OWN, *_RAW, *_shared())


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """What the answer's rendering has to know of the request; `n` choices a prompt."""

    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False
    n: int = 1


def parse_completion(body: Mapping[str, Any]) -> CompletionRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body, PARAMETERS)
    request = validate(CompletionRequest, body)
    check_stream(request)
    if request.best_of not in (None, request.n or 1):
        raise unsupported("best_of", "use n")
    if request.max_tokens == 0 and not request.echo:
        raise InvalidRequest(
            "Invalid value for 'max_tokens': expected a value of at least 1, but got 0 instead.", param="max_tokens"
        )
    return request


def to_works(request: CompletionRequest, request_id: str) -> tuple[Generate, ...]:
    """The wire's meaning of a parsed request, a `Generate` a prompt. Raises InvalidRequest."""
    limit = DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    sampling = to_sampling(request, limit, request.logprobs)
    grammar = to_grammar(request)
    prompts = _prompts(request.prompt, request.add_special_tokens is not False)
    names = [request_id] if len(prompts) == 1 else [f"{request_id}-{index}" for index in range(len(prompts))]
    echo = bool(request.echo)
    return tuple(
        Generate(
            name,
            prompt,
            sampling,
            n=request.n or 1,
            parse_reasoning=False,
            parse_tools=False,
            grammar=grammar,
            echo=echo,
            prompt_logprobs=request.logprobs if echo else None,
        )
        for name, prompt in zip(names, prompts, strict=True)
    )


def options(request: CompletionRequest) -> CompletionOptions:
    return CompletionOptions(bool(request.stream), request.wants_usage, request.logprobs is not None, request.n or 1)


def client_param(request: CompletionRequest, index: int, param: str | None) -> str | None:
    """What a worker's `prompt...` is in the client's request, of whose prompts it was number `index`."""
    if param is None or not param.startswith("prompt"):
        return param
    several = isinstance(request.prompt, list) and bool(request.prompt) and not is_token_id(request.prompt[0])
    return f"prompt[{index}]{param[len('prompt') :]}" if several else param


# ------------------------------------------------------------------ the prompts
def _prompts(value: Any, special: bool) -> tuple[Prompt, ...]:
    if not isinstance(value, list) or (value and is_token_id(value[0])):
        return (_prompt(value, "prompt", special),)
    if not value:
        raise _empty("prompt")
    if len(value) > MAX_PROMPTS:
        raise InvalidRequest(
            f"Invalid value for 'prompt': expected at most {MAX_PROMPTS} items, but got {len(value)}.", param="prompt"
        )
    return tuple(_prompt(item, f"prompt[{index}]", special) for index, item in enumerate(value))


def _prompt(value: Any, name: str, special: bool) -> Prompt:
    if isinstance(value, str):
        return Prompt(text=value, add_special_tokens=special)
    if not isinstance(value, list):
        raise InvalidRequest(f"Invalid type for '{name}': expected a string or a list of token ids.", param=name)
    if not value:
        raise _empty(name)
    tokens = to_token_ids(value, name)
    return Prompt(tokens=tokens)


def _empty(name: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{name}': it must not be empty.", param=name)
