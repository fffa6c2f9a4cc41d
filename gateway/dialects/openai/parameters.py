"""The fate of every request parameter of chat completions, as one table; the reference page is generated from it.

`refused` holds for values other than null and the neutral ones, which mean the same as leaving the parameter out.
A name that is not in the table is tolerated and listed in the debug log. Other endpoints have a table of their own,
beside their schema. The parameters of OpenAI:
https://platform.openai.com/docs/api-reference/chat/create, vLLM's extras:
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import UnsupportedParameter


class Fate(StrEnum):
    HONOURED = "honoured"
    IGNORED = "ignored"  # accepted, changes nothing here
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`origin` is the API that defines it, `note` one line for the reference page."""

    name: str
    fate: Fate
    note: str
    origin: str = "openai"
    neutral: tuple[Any, ...] = ()


def table(fate: Fate, origin: str, rows: Mapping[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, fate, note, origin) for name, note in rows.items())


_HONOURED = table(
    Fate.HONOURED,
    "openai",
    {
        "model": "id or alias of a hosted model",
        "messages": "roles system, developer (read as system), user, assistant, tool, function; in any order",
        "temperature": "0 to 2; 0 is greedy",
        "top_p": "0 to 1; 0 keeps the likeliest token only",
        "n": "1 to 32 choices",
        "stream": "server-sent events",
        "stream_options": "include_usage; only with stream",
        "stop": "a text or a list of texts",
        "max_tokens": "upper bound of generated tokens; the rest of the context is the largest",
        "max_completion_tokens": "the same under its newer name; wins when both are given",
        "presence_penalty": "-2 to 2",
        "frequency_penalty": "-2 to 2",
        "logit_bias": "token id (as text) to a bias from -100 to 100",
        "logprobs": "log-probabilities of the content's tokens",
        "top_logprobs": "0 to 20 alternatives a token; needs logprobs",
        "seed": "the same seed and parameters give the same answer on the same model",
        "tools": "functions; strict: a call's arguments always match the schema; in words where the template has none",
        "tool_choice": "none, auto, required, a function (called once), or allowed_tools; a whole call always parses",
        "parallel_tool_calls": "false: at most one call an answer",
        "response_format": "text, json_object or json_schema; not strict: matches as far as it can be bound",
        "reasoning_effort": "handed to the chat template; none turns thinking off",
    },
) + table(
    Fate.HONOURED,
    "vllm",
    {
        "top_k": "-1 or 0: off",
        "min_p": "0 to 1",
        "repetition_penalty": "above 0, up to 10; 1: off",
        "stop_token_ids": "token ids that end the answer",
        "ignore_eos": "go on after the model's end token",
        "min_tokens": "no end before so many tokens",
        "include_stop_str_in_output": "keep the stop text in the answer",
        "skip_special_tokens": "false: special tokens appear in the answer",
        "allowed_token_ids": "only these tokens may be chosen",
        "add_special_tokens": "let the tokenizer add its special tokens around the template's text",
        "add_generation_prompt": "false: don't open a new assistant turn",
        "continue_final_message": "go on with the last assistant message",
        "include_reasoning": "false: leave the reasoning out of the answer",
        "structured_outputs": "one of json, regex, choice, grammar (Lark), json_object: what the answer matches",
        "guided_json": "the older name of structured_outputs.json",
        "guided_regex": "the older name of structured_outputs.regex",
        "guided_choice": "the older name of structured_outputs.choice",
        "guided_grammar": "the older name of structured_outputs.grammar",
        "thinking_token_budget": "tokens after which a thought is closed; -1: none",
        "chat_template_kwargs": "handed to the chat template",
        "mm_processor_kwargs": "fps and max_frames of videos; a part may bring its own",
    },
)

_HONOURED += tuple(
    Parameter(name, Fate.HONOURED, note, origin)
    for name, origin, note in (
        ("thinking_budget", "dashscope", "thinking_token_budget under another name"),
        ("reasoning_budget_tokens", "llama.cpp", "thinking_token_budget under another name"),
        ("max_thinking_tokens", "nim", "thinking_token_budget under another name"),
        ("enable_thinking", "dashscope", "handed to the chat template"),
        ("thinking", "deepseek", "type enabled or disabled; budget_tokens"),
        ("reasoning", "openrouter", "effort, max_tokens, enabled, and exclude, which leaves the reasoning out"),
        ("separate_reasoning", "sglang", "false: the reasoning stays in the text"),
        ("reasoning_format", "groq", "raw or none: it stays in the text; hidden: it is left out; else it is apart"),
    )
)

_IGNORED = table(
    Fate.IGNORED,
    "openai",
    {
        "user": "the client's own label",
        "safety_identifier": "the client's own label",
        "metadata": "nothing is stored",
        "store": "nothing is stored",
        "service_tier": "there is one tier",
        "prompt_cache_key": "the prefix cache finds shared beginnings by itself",
        "prompt_cache_retention": "the prefix cache decides by size",
        "prompt_cache_options": "the prefix cache decides by size",
        "prediction": "a hint for speed only",
        "verbosity": "a hint for OpenAI's models",
    },
) + table(
    Fate.IGNORED,
    "vllm",
    {
        "request_id": "send the header x-request-id instead",
        "guided_decoding_backend": "there is one backend",
        "guided_whitespace_pattern": "white space is the backend's choice",
        "stream_reasoning": "a stream always brings the reasoning as it comes",
    },
)


def refused(name: str, note: str, *neutral: Any, origin: str = "vllm") -> Parameter:
    return Parameter(name, Fate.REFUSED, note, origin, neutral)


_REFUSED = (
    refused("audio", "answers are text", origin="openai"),
    refused("modalities", "answers are text", ["text"], [], origin="openai"),
    refused("moderation", "answers are not moderated", origin="openai"),
    refused("web_search_options", "there is no built-in web search", origin="openai"),
    refused("functions", "use tools", [], origin="openai"),
    refused("function_call", "use tool_choice", "none", "auto", origin="openai"),
    refused("use_beam_search", "answers are sampled", False),
    refused("best_of", "use n", 0, 1),
    refused("length_penalty", "belongs to beam search", 1),
    refused("early_stopping", "belongs to beam search", False),
    refused("bad_words", "use logit_bias", []),
    refused("prompt_logprobs", "log-probabilities are of the answer only"),
    refused("logits_processors", "code doesn't travel in a request", []),
    refused("structural_tag", "use tools with strict schemas"),
    refused("echo", "the answer holds new text only", False),
    refused("truncate_prompt_tokens", "a prompt is taken whole or refused"),
    refused("spaces_between_special_tokens", "special tokens are written as the tokenizer has them", True),
    refused("chat_template", "the model's own template is used"),
    refused("documents", "put documents into messages", []),
    refused("media_io_kwargs", "use mm_processor_kwargs", {}),
    refused("priority", "requests are served fairly", 0),
    refused("cache_salt", "the prefix cache is shared"),
    refused("return_tokens_as_token_ids", "use /tokenize", False),
    refused("return_token_ids", "use /tokenize", False),
    refused("kv_transfer_params", "there is no transfer between nodes"),
    refused("vllm_xargs", "there are no extension arguments", {}),
    refused("xtc_probability", "this sampler is not supported", 0, origin="mlx-lm"),
    refused("xtc_threshold", "this sampler is not supported", 0, origin="mlx-lm"),
    refused("adapters", "host a model with the adapter merged", origin="mlx-lm"),
    refused("draft_model", "speculation is not the request's choice", origin="mlx-lm"),
    refused("num_draft_tokens", "speculation is not the request's choice", 0, origin="mlx-lm"),
)

PARAMETERS = _HONOURED + _IGNORED + _REFUSED
KNOWN = frozenset(parameter.name for parameter in PARAMETERS)


def _is_neutral(value: Any, neutral: tuple[Any, ...]) -> bool:
    return value is None or any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)


def refuse_unsupported(body: Mapping[str, Any], parameters: Sequence[Parameter] = _REFUSED) -> None:
    """Raises UnsupportedParameter for the first parameter that can't be honoured."""
    for parameter in parameters:
        if parameter.fate is Fate.REFUSED and not _is_neutral(body.get(parameter.name), parameter.neutral):
            raise UnsupportedParameter(
                f"Unsupported parameter: '{parameter.name}' is not supported ({parameter.note}).",
                param=parameter.name,
            )


def unknown_names(body: Mapping[str, Any], parameters: Sequence[Parameter] = PARAMETERS) -> list[str]:
    """Names of extra fields, for the debug log: sorted, cut to a sane length."""
    known = {parameter.name for parameter in parameters}
    return sorted(name[:64] for name in body if name not in known)[:32]
