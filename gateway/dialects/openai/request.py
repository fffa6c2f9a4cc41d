"""A chat completions body to the wire's `Generate`: pure, and every refusal names its parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.openai.choice import is_named, to_choice
from gateway.dialects.openai.fields import check_stream, to_sampling, unsupported
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.messages import schema_paths, to_messages, to_tools
from gateway.dialects.openai.parameters import refuse_unsupported
from gateway.dialects.openai.schema import AssistantMessage, ChatRequest, DetokenizeRequest, TokenizeRequest
from gateway.dialects.openai.structured import grammar_param, to_grammar
from gateway.dialects.openai.thinking import to_thinking
from gateway.dialects.openai.validate import validate
from gateway.dialects.wire_paths import ClientWords
from shared.errors import InvalidRequest
from shared.messages import Count, Detokenize, Generate, Prompt, Tool


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What the answer's rendering has to know of the request. `named_call`: one function had to be called."""

    stream: bool = False
    include_usage: bool = False
    include_reasoning: bool = True
    logprobs: bool = False
    n: int = 1
    named_call: bool = False


def parse_chat(body: Mapping[str, Any]) -> ChatRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body)
    request = validate(ChatRequest, body)
    check_stream(request)
    if request.top_logprobs and not request.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    return request


def to_generate(request: ChatRequest, request_id: str, media: MediaReader | None = None) -> Generate:
    """The wire's meaning of a parsed request; `media` collects where its blobs come from. Raises InvalidRequest.

    Without it the model reads text only.
    """
    tools = to_tools(request.tools or ())
    servers = any(tool.type == "mcp" for tool in request.tools or ())
    choice = to_choice(request.tool_choice, tools, servers=servers)
    if choice.mode == "none":
        tools = ()
    thinking = to_thinking(request)
    grammar = to_grammar(request)
    media = media or MediaReader()
    media.set_defaults(request.mm_processor_kwargs)
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    return Generate(
        request_id,
        _chat_prompt(request, thinking.template_kwargs, tools, media),
        to_sampling(request, limit, (request.top_logprobs or 0) if request.logprobs else None),
        n=request.n or 1,
        parse_reasoning=thinking.parse,
        parse_tools=bool(tools),
        parallel_tool_calls=request.parallel_tool_calls is not False and not is_named(request.tool_choice),
        tool_choice="required" if choice.mode == "required" else "auto",
        callable_tools=choice.callable,
        grammar=None if choice.mode == "required" else grammar,  # the answer is calls, which have their own
        thinking_budget=thinking.budget,
    )


def client_words(request: ChatRequest, prompt: Prompt, media: MediaReader) -> ClientWords:
    """How a worker's refusal of `prompt` names what the client sent."""
    return ClientWords(prompt, media.sources, grammar_param(request), schema_paths(request.tools or ()))


def options(request: ChatRequest) -> ChatOptions:
    return ChatOptions(
        stream=bool(request.stream),
        include_usage=request.wants_usage,
        include_reasoning=to_thinking(request).show,
        logprobs=bool(request.logprobs),
        n=request.n or 1,
        named_call=is_named(request.tool_choice),
    )


def parse_tokenize(body: Mapping[str, Any]) -> TokenizeRequest:
    """Raises InvalidRequest."""
    if body.get("return_token_strs"):
        raise unsupported("return_token_strs", "token texts are not returned")
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
    return Count(request_id, _chat_prompt(request, {}, to_tools(request.tools or ()), MediaReader(reader="/tokenize")))


def parse_detokenize(body: Mapping[str, Any]) -> DetokenizeRequest:
    """Raises InvalidRequest."""
    return validate(DetokenizeRequest, body)


def to_detokenize(request: DetokenizeRequest, request_id: str) -> Detokenize:
    return Detokenize(request_id, tuple(request.tokens))


# ------------------------------------------------------------------ the prompt
def _chat_prompt(
    request: ChatRequest | TokenizeRequest,
    template_kwargs: Mapping[str, Any],
    tools: tuple[Tool, ...],
    media: MediaReader,
) -> Prompt:
    generation = request.add_generation_prompt
    if request.continue_final_message:
        _check_continuation(request)
    return Prompt(
        messages=to_messages(request.messages or (), media),
        tools=tools,
        template_kwargs=json.dumps({**template_kwargs, **(request.chat_template_kwargs or {})}, ensure_ascii=False),
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
