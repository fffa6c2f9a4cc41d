"""A Messages body to the wire's `Generate` and `Count`: pure, and every refusal names its parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.anthropic.caching import NO_BREAKPOINT, Breakpoint, find_breakpoint
from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.messages import to_messages, to_system
from gateway.dialects.anthropic.parameters import PARAMETERS
from gateway.dialects.anthropic.schema import CountRequest, MessagesRequest, OutputFormat
from gateway.dialects.anthropic.tools import check_choice, schema_paths, to_tools
from gateway.dialects.anthropic.validate import invalid, restated, validate
from gateway.dialects.openai.parameters import refuse_unsupported
from gateway.dialects.schema_limits import check_schema
from gateway.dialects.wire_paths import ClientWords
from shared.errors import InvalidRequest
from shared.messages import ChatMessage, Count, Generate, Grammar, Prompt, Sampling, Tool


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the answer's rendering has to know of the request. `max_tokens`: as it was asked for."""

    stream: bool = False
    show_thinking: bool = True
    max_tokens: int = 1
    cached: Breakpoint = NO_BREAKPOINT


def parse_messages(body: Mapping[str, Any], betas: str = "") -> MessagesRequest:
    """`betas` is the header `anthropic-beta`. Raises InvalidRequest, naming the first parameter that is wrong."""
    refuse_unsupported(body, PARAMETERS)
    request = validate(MessagesRequest, body)
    check_choice(request.tool_choice, request.tools or ())
    _check_thinking(request, interleaved="interleaved-thinking" in betas)
    return request


def _check_thinking(request: MessagesRequest, interleaved: bool) -> None:
    thinking = request.thinking
    if thinking is None or thinking.type != "enabled":
        return
    if thinking.budget_tokens is None:
        raise invalid("thinking.enabled.budget_tokens", "Field required")
    # Between tool calls a budget is one of the whole turn, which may take several answers.
    if thinking.budget_tokens >= request.max_tokens and not (interleaved and request.tools):
        raise invalid("thinking.budget_tokens", "'max_tokens' must be greater than 'thinking.budget_tokens'")


def parse_count(body: Mapping[str, Any]) -> CountRequest:
    """Raises InvalidRequest."""
    refuse_unsupported(body, PARAMETERS)
    return validate(CountRequest, body)


def to_generate(request: MessagesRequest, request_id: str, images: ImageReader) -> Generate:
    """The wire's meaning of a parsed request; `images` collects where its blobs come from. Raises InvalidRequest."""
    prompt = _prompt(request, images)
    choice = request.tool_choice
    named = choice is not None and choice.type == "tool"
    forced = named or (choice is not None and choice.type == "any")
    grammar = _grammar(request)
    return Generate(
        request_id,
        prompt,
        _sampling(request),
        parse_tools=bool(prompt.tools),
        parallel_tool_calls=not (named or (choice is not None and choice.disable_parallel_tool_use)),
        tool_choice="required" if forced else "auto",
        callable_tools=(choice.name,) if named and choice is not None and choice.name else (),
        grammar=None if forced else grammar,  # the answer is calls, which have their own
        thinking_budget=request.thinking.budget_tokens if _thinks(request) and request.thinking else None,
    )


def to_count(request: CountRequest, request_id: str, images: ImageReader) -> Count:
    """Raises InvalidRequest."""
    return Count(request_id, _prompt(request, images))


def options(request: MessagesRequest) -> AnswerOptions:
    omitted = request.thinking is not None and request.thinking.display == "omitted"
    return AnswerOptions(bool(request.stream), not omitted, request.max_tokens, find_breakpoint(request))


def client_words(request: CountRequest, prompt: Prompt, images: ImageReader) -> ClientWords:
    """How a worker's refusal of `prompt` names what the client sent: the worker counts messages as it reads them."""
    return ClientWords(
        prompt, images.sources, _format(request)[1], schema_paths(request.tools or ()), {"stop": "stop_sequences"}
    )


# ------------------------------------------------------------------ the prompt
def _prompt(request: CountRequest, images: ImageReader) -> Prompt:
    messages = to_messages(request.messages, images)
    prefilled = request.messages[-1].role == "assistant" and _is_prefill(messages)
    return Prompt(
        messages=to_system(request.system or ()) + messages,
        tools=_tools(request),
        template_kwargs=json.dumps(_template_kwargs(request)),
        add_generation_prompt=not prefilled,
        continue_final_message=prefilled,
    )


def _is_prefill(messages: tuple[ChatMessage, ...]) -> bool:
    """Whether the last turn has begun the answer; an empty one has not. Raises InvalidRequest for a call."""
    if not messages or messages[-1].role != "assistant":
        return False
    if messages[-1].tool_calls:
        raise invalid("messages", "tool_use blocks of the last message need tool_result blocks in a user message")
    return bool(messages[-1].content)


def _tools(request: CountRequest) -> tuple[Tool, ...]:
    tools = to_tools(request.tools or ())
    none = request.tool_choice is not None and request.tool_choice.type == "none"
    return () if none else tools


def _template_kwargs(request: CountRequest) -> dict[str, Any]:
    """Without `thinking` there is none, as Anthropic has it: clients take the first block for the answer."""
    values: dict[str, Any] = {"enable_thinking": _thinks(request)}
    if request.output_config is not None and request.output_config.effort is not None:
        values["reasoning_effort"] = request.output_config.effort
    return values


def _thinks(request: CountRequest) -> bool:
    return request.thinking is not None and request.thinking.type != "disabled"


def _format(request: CountRequest) -> tuple[OutputFormat | None, str]:
    """The answer's format, and the path of its schema."""
    inner = request.output_config.format if request.output_config is not None else None
    return (inner, "output_config.format.schema") if inner else (request.output_format, "output_format.schema")


def _grammar(request: MessagesRequest) -> Grammar | None:
    wanted, at = _format(request)
    if wanted is None:
        return None
    try:
        return Grammar("json_schema", check_schema(wanted.schema_, at))
    except InvalidRequest as error:
        raise restated(error) from None


def _sampling(request: MessagesRequest) -> Sampling:
    greedy = request.top_p == 0  # the smallest nucleus is the likeliest token
    return Sampling(
        temperature=request.temperature,
        top_p=None if greedy else request.top_p,
        top_k=1 if greedy else request.top_k,
        max_tokens=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
    )
