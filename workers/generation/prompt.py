"""What a request says to what the model reads: chat template, tokens, limits. Runs on the preprocessing thread."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import ChatMessage, MediaPart, Prompt, TextPart, Tool

# Arguments of apply_chat_template that a request may not set: they change what is returned, not what is written.
_RESERVED = frozenset(
    {"conversation", "messages", "tools", "documents", "chat_template", "tokenizer_kwargs", "tokenize", "padding"}
    | {"truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"}
    | {"add_generation_prompt", "continue_final_message"}
)

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def tokenize(prompt: Prompt, tokenizer: Any, vocab_size: int) -> list[int]:
    """The prompt's token ids. Raises InvalidRequest naming what can't be used."""
    if prompt.tokens is not None:
        for index, token in enumerate(prompt.tokens):
            if not 0 <= token < vocab_size:
                raise InvalidRequest(
                    f"token id {token} is not in the vocabulary (0 to {vocab_size - 1})", param=f"prompt[{index}]"
                )
        tokens = list(prompt.tokens)
    elif prompt.text is not None:
        tokens = list(tokenizer.encode(prompt.text, add_special_tokens=prompt.add_special_tokens))
    else:
        text = render(prompt, tokenizer)
        tokens = list(tokenizer.encode(text, add_special_tokens=prompt.add_special_tokens))
    return tokens


def render(prompt: Prompt, tokenizer: Any, messages: Sequence[dict[str, Any]] | None = None) -> str:
    """The chat as the model's template writes it; `messages` are the prompt's, in the template's shape already."""
    if not tokenizer.has_chat_template:
        raise InvalidRequest("this model has no chat template; use completions instead", param="messages")
    kwargs = json.loads(prompt.template_kwargs)
    if reserved := _RESERVED & kwargs.keys():
        raise InvalidRequest(f"{min(reserved)!r} can't be set by a request", param="chat_template_kwargs")
    kwargs |= thinking_switches(kwargs, tokenizer.chat_template)
    try:
        return str(
            tokenizer.apply_chat_template(
                [shape(message) for message in prompt.messages] if messages is None else list(messages),
                tools=[as_template_tool(tool) for tool in prompt.tools] or None,
                add_generation_prompt=prompt.add_generation_prompt and not prompt.continue_final_message,
                continue_final_message=prompt.continue_final_message,
                tokenize=False,
                **kwargs,
            )
        )
    except Exception as error:
        # A template is a program that comes with the model; whatever it raises is about these messages.
        raise InvalidRequest(f"the model's chat template refused the messages: {error}", param="messages") from error


def thinking_switches(kwargs: Mapping[str, Any], template: Any) -> dict[str, Any]:
    """A request's `enable_thinking` (or `thinking`) under the other names that the model's template reads; an effort
    of `low` or more asks for thoughts.

    Families differ: `enable_thinking` Qwen, GLM, Gemma, Hunyuan; `thinking` DeepSeek V3.1, Granite, Kimi;
    `thinking_mode` MiniMax M3; `thinking_budget` Seed OSS. What the request names itself stays as it is.
    """
    asked = True if kwargs.get("reasoning_effort") in _EFFORTS else None
    wanted = kwargs.get("enable_thinking", kwargs.get("thinking", asked))
    if not isinstance(wanted, bool):
        return {}
    text = " ".join(map(str, template.values())) if isinstance(template, Mapping) else str(template or "")
    values: dict[str, Any] = {"enable_thinking": wanted, "thinking": wanted}
    if "disabled" in text:
        values["thinking_mode"] = "enabled" if wanted else "disabled"
    if not wanted:
        values["thinking_budget"] = 0
    return {name: value for name, value in values.items() if name not in kwargs and re.search(rf"\b{name}\b", text)}


def check_length(tokens: Sequence[int], context: int, asked: int | None, param: str = "messages") -> None:
    """Raises when the prompt, which came in `param`, is empty or leaves no room for a single token."""
    if not tokens:
        raise InvalidRequest("the prompt is empty", param=param)
    if len(tokens) >= context:
        plus = f" ({len(tokens)} in the {param}, {asked} in the completion)" if asked else ""
        total = len(tokens) + (asked or 0)
        raise ContextLengthExceeded(
            f"This model's maximum context length is {context} tokens. However, you requested {total} tokens{plus}."
            f" Please reduce the length of the {param} or completion.",
            param=param,
        )


def shape(message: ChatMessage, parts: bool = False) -> dict[str, Any]:
    """A message as chat templates expect it. `parts`: its content as a list, media by their kind alone."""
    content = [_part(part) for part in message.content] if parts else _text(message)
    shaped: dict[str, Any] = {"role": message.role, "content": content}
    if message.name is not None:
        shaped["name"] = message.name
    if message.reasoning is not None:
        shaped["reasoning_content"] = message.reasoning
    if message.tool_call_id is not None:
        shaped["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        shaped["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return shaped


def as_template_tool(tool: Tool) -> dict[str, Any]:
    """The shape that chat templates expect (Hugging Face's, which is OpenAI's)."""
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}


def _part(part: TextPart | MediaPart) -> dict[str, str]:
    return {"type": "text", "text": part.text} if isinstance(part, TextPart) else {"type": part.media}


def _text(message: ChatMessage) -> str:
    parts = []
    for part in message.content:
        if isinstance(part, MediaPart):
            raise InvalidRequest(f"this model reads text only, not {part.media}", param="messages")
        parts.append(part.text)
    return "\n".join(parts)


def _arguments(text: str) -> Any:
    """Templates expect an object; text that is none is passed on as it is."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    return parsed if isinstance(parsed, dict) else text
