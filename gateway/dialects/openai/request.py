"""A chat completions body to the wire's `Generate`: pure, and every refusal names its parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.messages import to_messages, to_tools
from gateway.dialects.openai.parameters import refuse_unsupported
from gateway.dialects.openai.schema import AssistantMessage, ChatRequest, DetokenizeRequest, TokenizeRequest
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Count, Detokenize, Generate, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What the answer's rendering has to know of the request."""

    stream: bool = False
    include_usage: bool = False
    include_reasoning: bool = True
    logprobs: bool = False
    n: int = 1


def parse_chat(body: Mapping[str, Any]) -> ChatRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body)
    request = validate(ChatRequest, body)
    _check_stream(request)
    _check_response_format(request)
    _check_tool_choice(request)
    _check_logprobs(request)
    return request


def to_generate(request: ChatRequest, request_id: str, media: MediaReader | None = None) -> Generate:
    """The wire's meaning of a parsed request; `media` collects where its blobs come from. Raises InvalidRequest.

    Without it the model reads text only.
    """
    use_tools = bool(request.tools) and request.tool_choice != "none"
    media = media or MediaReader()
    media.set_defaults(request.mm_processor_kwargs)
    prompt = _chat_prompt(request, request.reasoning_effort, use_tools, media)
    return Generate(
        request_id,
        prompt,
        _sampling(request),
        n=request.n or 1,
        parse_tools=use_tools,
        parallel_tool_calls=request.parallel_tool_calls is not False,
    )


def options(request: ChatRequest) -> ChatOptions:
    usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    return ChatOptions(
        stream=bool(request.stream),
        include_usage=usage,
        include_reasoning=request.include_reasoning is not False,
        logprobs=bool(request.logprobs),
        n=request.n or 1,
    )


def parse_tokenize(body: Mapping[str, Any]) -> TokenizeRequest:
    """Raises InvalidRequest."""
    if body.get("return_token_strs"):
        raise _unsupported("return_token_strs", "token texts are not returned")
    request = validate(TokenizeRequest, body)
    if (request.prompt is None) == (request.messages is None):
        param = "prompt" if request.prompt is None else "messages"
        raise InvalidRequest("Give either 'prompt' or 'messages'.", param=param)
    return request


def to_count(request: TokenizeRequest, request_id: str) -> Count:
    """Raises InvalidRequest. As in vLLM, special tokens are added to a plain prompt unless it says otherwise."""
    if request.prompt is not None:
        return Count(
            request_id, Prompt(text=request.prompt, add_special_tokens=request.add_special_tokens is not False)
        )
    return Count(request_id, _chat_prompt(request, None, bool(request.tools), MediaReader(reader="/tokenize")))


def parse_detokenize(body: Mapping[str, Any]) -> DetokenizeRequest:
    """Raises InvalidRequest."""
    return validate(DetokenizeRequest, body)


def to_detokenize(request: DetokenizeRequest, request_id: str) -> Detokenize:
    return Detokenize(request_id, tuple(request.tokens))


# ------------------------------------------------------------------ the prompt
def _chat_prompt(
    request: ChatRequest | TokenizeRequest, effort: str | None, use_tools: bool, media: MediaReader
) -> Prompt:
    generation = request.add_generation_prompt
    if request.continue_final_message:
        _check_continuation(request)
    return Prompt(
        messages=to_messages(request.messages or (), media),
        tools=to_tools(request.tools or ()) if use_tools else (),
        template_kwargs=_template_kwargs(request.chat_template_kwargs, effort),
        add_generation_prompt=not request.continue_final_message if generation is None else generation,
        continue_final_message=bool(request.continue_final_message),
        add_special_tokens=bool(request.add_special_tokens),
    )


def _check_continuation(request: ChatRequest | TokenizeRequest) -> None:
    if request.add_generation_prompt:
        raise InvalidRequest(
            "'continue_final_message' and 'add_generation_prompt' can't both be true.", param="continue_final_message"
        )
    if not (request.messages and isinstance(request.messages[-1], AssistantMessage)):
        raise InvalidRequest(
            "'continue_final_message' needs an assistant message at the end.", param="continue_final_message"
        )


def _template_kwargs(given: Mapping[str, Any] | None, effort: str | None) -> str:
    values: dict[str, Any] = {}
    if effort == "none":
        values["enable_thinking"] = False
    elif effort is not None:
        values["reasoning_effort"] = effort
    return json.dumps(values | dict(given or {}), ensure_ascii=False)


# ------------------------------------------------------------------ sampling
def _sampling(request: ChatRequest) -> Sampling:
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
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
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
    )


def _token_id(key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) <= 10 and int(key) < 2**31):
        raise InvalidRequest(
            f"Invalid key in 'logit_bias': {key[:20]!r}; keys are token ids, written as text.", param="logit_bias"
        )
    return int(key)


# ------------------------------------------------------------------ checks across fields
def _unsupported(param: str, note: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"Unsupported parameter: '{param}' is not supported ({note}).", param=param)


def _check_stream(request: ChatRequest) -> None:
    if request.stream_options is None:
        return
    if not request.stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    if request.stream_options.continuous_usage_stats:
        raise _unsupported("stream_options.continuous_usage_stats", "usage comes once, at the end")


def _check_response_format(request: ChatRequest) -> None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type in ("json_object", "json_schema"):
        raise _unsupported("response_format", "structured answers are not supported yet")
    raise InvalidRequest(
        "Invalid value for 'response_format.type'. Supported values are: 'text'.", param="response_format.type"
    )


def _check_tool_choice(request: ChatRequest) -> None:
    choice = request.tool_choice
    if choice is None or choice in ("none", "auto"):
        return
    if choice == "required" or isinstance(choice, dict):
        raise _unsupported("tool_choice", "forced tool calls are not supported yet; use 'auto' or 'none'")
    raise InvalidRequest("Invalid value for 'tool_choice'. Supported values are: 'none', 'auto'.", param="tool_choice")


def _check_logprobs(request: ChatRequest) -> None:
    if request.top_logprobs and not request.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
