"""A Responses body to the wire's `Generate` and `Count`: pure, and every refusal names its parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.parameters import refuse_unsupported
from gateway.dialects.openai.responses.choice import Choice, to_choice
from gateway.dialects.openai.responses.items import kind_of, to_messages
from gateway.dialects.openai.responses.mcp_tools import McpUse, to_uses
from gateway.dialects.openai.responses.parameters import PARAMETERS
from gateway.dialects.openai.responses.schema import InputRequest, Item, ResponsesRequest, TextFormat
from gateway.dialects.openai.responses.tools import Toolbox, add_discovered, discovered, to_toolbox
from gateway.dialects.openai.structured import check_format_name, of_schema
from gateway.dialects.openai.validate import validate
from gateway.dialects.wire_paths import ClientWords
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Count, Generate, Grammar, Prompt, Sampling, Tool

LOGPROBS = "message.output_text.logprobs"
SEALED = "reasoning.encrypted_content"
_PREVIOUS = "previous_response_id"
_NAMES = {"messages": "input", "max_tokens": "max_output_tokens", "logprobs": "top_logprobs"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, understood: what it says, its tools, and which of them may be called."""

    request: InputRequest
    items: tuple[Item, ...]
    tools: Toolbox
    uses: tuple[McpUse, ...]  # narrowed to the choice
    choice: Choice


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the answer's rendering has to know of the request."""

    stream: bool = False
    store: bool = True
    background: bool = False
    summary: bool = False  # the thought comes as the summary
    sealed: bool = False  # the thought comes as encrypted_content, too
    logprobs: bool = False


def parse_responses(body: Mapping[str, Any]) -> ResponsesRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body, PARAMETERS)
    request = validate(ResponsesRequest, body)
    _check_input(request)
    _check_text(request)
    if request.background and request.store is False:
        raise InvalidRequest("'background' needs 'store' to be true.", param="background")
    return request


def parse_count(body: Mapping[str, Any]) -> InputRequest:
    """Raises InvalidRequest."""
    refuse_unsupported(body, PARAMETERS)
    request = validate(InputRequest, body)
    _check_input(request)
    _check_text(request)
    return request


def understand(request: InputRequest, items: tuple[Item, ...]) -> Asked:
    """`items` are the request's, with references put in place.

    Raises InvalidRequest for tools and a choice among them that can't be had.
    """
    tools = to_toolbox(request.tools or ())
    add_discovered(tools, discovered(items))
    uses = to_uses(tools.mcp)
    choice = to_choice(request.tool_choice, tools, [use.server for use in uses])
    return Asked(request, items, tools, tuple(use.narrowed(choice.of_server(use.server)) for use in uses), choice)


def to_generate(asked: Asked, history: Sequence[Item], request_id: str, media: MediaReader) -> Generate:
    """The wire's meaning; `history` are the items of the responses before. Raises InvalidRequest.

    `media` collects where the blobs come from.
    """
    request, choice = asked.request, asked.choice
    if not isinstance(request, ResponsesRequest):
        raise TypeError("a count generates nothing")
    return Generate(
        request_id,
        _prompt(asked, history, media),
        _sampling(request),
        parse_tools=choice.use_tools and bool(asked.tools.tools),
        parallel_tool_calls=request.parallel_tool_calls is not False and not choice.single,
        tool_choice=choice.mode,
        callable_tools=choice.names if choice.servers is None else (),
        grammar=None if choice.mode == "required" else _grammar(request),  # calls have their own
        thinking_budget=request.thinking_token_budget,
    )


def to_count(asked: Asked, history: Sequence[Item], request_id: str, media: MediaReader) -> Count:
    """Raises InvalidRequest."""
    return Count(request_id, _prompt(asked, history, media))


def client_words(asked: Asked, prompt: Prompt, media: MediaReader) -> ClientWords:
    """How a worker's refusal of `prompt` names what the client sent."""
    text = asked.request.text
    bound = text is not None and text.format is not None and text.format.type == "json_schema"
    paths = dict(zip((tool.name for tool in asked.tools.tools), asked.tools.schemas, strict=True))
    schemas = [paths.get(tool.name, "tools") for tool in prompt.tools]
    return ClientWords(prompt, media.sources, "text.format.schema" if bound else "text.format", schemas, _NAMES)


def options(request: ResponsesRequest) -> AnswerOptions:
    include = request.include or ()
    reasoning = request.reasoning
    return AnswerOptions(
        stream=bool(request.stream),
        store=request.store is not False,
        background=bool(request.background),
        summary=reasoning is not None and (reasoning.summary or reasoning.generate_summary) is not None,
        sealed=SEALED in include,
        logprobs=wants_logprobs(request),
    )


def wants_logprobs(request: ResponsesRequest) -> bool:
    return bool(request.top_logprobs) or LOGPROBS in (request.include or ())


# ------------------------------------------------------------------ the prompt
def _prompt(asked: Asked, history: Sequence[Item], media: MediaReader) -> Prompt:
    paths = [(_PREVIOUS, item) for item in history]
    paths += [(f"input[{index}]", item) for index, item in enumerate(asked.items)]
    if asked.request.instructions:
        paths.insert(0, ("instructions", {"role": "system", "content": asked.request.instructions}))
    messages = to_messages(paths, media)
    if not messages:
        raise InvalidRequest("Invalid value for 'input': it must not be empty.", param="input")
    return Prompt(
        messages=messages,
        tools=_shown(asked),
        template_kwargs=_template_kwargs(asked.request),
    )


def _shown(asked: Asked) -> tuple[Tool, ...]:
    """The tools in the prompt. A choice among servers' tools, whose names nobody knows yet, leaves out all others."""
    choice, box = asked.choice, asked.tools
    if not choice.use_tools:
        return ()
    if choice.servers is None:
        return tuple(box.tools)
    return tuple(tool for tool in box.tools if tool.name in choice.names or box.callee(tool.name).kind == "approval")


def _template_kwargs(request: InputRequest) -> str:
    values: dict[str, Any] = {}
    effort = request.reasoning.effort if request.reasoning is not None else None
    if effort == "none":
        values["enable_thinking"] = False
    elif effort is not None:
        values["reasoning_effort"] = effort
    return json.dumps(values | dict(request.chat_template_kwargs or {}), ensure_ascii=False)


# ------------------------------------------------------------------ sampling
def _sampling(request: ResponsesRequest) -> Sampling:
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
        max_tokens=request.max_output_tokens,
        stop=tuple(request.stop or ()),
        ignore_eos=bool(request.ignore_eos),
        logprobs=(request.top_logprobs or 0) if wants_logprobs(request) else None,
    )


def _grammar(request: InputRequest) -> Grammar | None:
    wanted = request.text.format if request.text is not None else None
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Grammar("json_object")
    return of_schema(wanted.schema_, "text.format.schema", strict=bool(wanted.strict))


# ------------------------------------------------------------------ checks across fields
def _check_input(request: InputRequest) -> None:
    if request.input is None and request.previous_response_id is None:
        raise InvalidRequest("Missing required parameter: 'input'.", param="input")
    for index, item in enumerate(request.input or ()):
        kind_of(item, f"input[{index}]")


def _check_text(request: InputRequest) -> None:
    wanted = request.text.format if request.text is not None else None
    if wanted is not None:
        _check_format(wanted)


def _check_format(wanted: TextFormat) -> None:
    at = "text.format"
    if wanted.type not in ("text", "json_object", "json_schema"):
        raise UnsupportedParameter(
            f"Unsupported value for '{at}.type': {wanted.type[:64]!r}."
            " Supported values are: 'text', 'json_object' and 'json_schema'.",
            param=f"{at}.type",
        )
    if wanted.type == "json_schema":
        if wanted.name is None:
            raise InvalidRequest(f"Missing required parameter: '{at}.name'.", param=f"{at}.name")
        check_format_name(wanted.name, f"{at}.name")
