"""How a chat request asks about the model's thought: OpenAI's word for it, vLLM's, and those of their peers.

`thinking_budget` is DashScope's and mlx-vlm's, `reasoning_budget_tokens` llama.cpp's, `max_thinking_tokens` NIM's;
`separate_reasoning` is SGLang's, `reasoning_format` Groq's and llama.cpp's, `thinking` DeepSeek's, Z.ai's and
LiteLLM's, `reasoning` OpenRouter's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.dialects.openai.fields import INT64_MAX
from gateway.dialects.openai.lenient import WHOLE, Lenient
from shared.errors import InvalidRequest

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Budget = Annotated[int, Field(ge=-1, le=INT64_MAX), WHOLE]

BUDGETS = ("thinking_token_budget", "thinking_budget", "reasoning_budget_tokens", "max_thinking_tokens")


class ThinkingSwitch(Lenient):
    type: Literal["enabled", "disabled", "adaptive", "auto"]
    budget_tokens: Budget | None = None


class ReasoningSwitch(Lenient):
    effort: Effort | None = None
    max_tokens: Budget | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class ThinkingFields(Lenient):
    reasoning_effort: Effort | None = None
    thinking_token_budget: Budget | None = None
    thinking_budget: Budget | None = None
    reasoning_budget_tokens: Budget | None = None
    max_thinking_tokens: Budget | None = None
    enable_thinking: bool | None = None
    include_reasoning: bool | None = None
    separate_reasoning: bool | None = None
    reasoning_format: Literal["parsed", "raw", "hidden", "none", "auto", "deepseek"] | None = None
    thinking: ThinkingSwitch | None = None
    reasoning: ReasoningSwitch | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """`budget` in tokens; `parse` false: the thought stays in the text; `show` false: it is left out of the answer."""

    template_kwargs: dict[str, Any]
    budget: int | None = None
    parse: bool = True
    show: bool = True


def to_thinking(request: ThinkingFields) -> Thinking:
    """Raises InvalidRequest when two budgets are named."""
    effort = request.reasoning_effort or (request.reasoning and request.reasoning.effort)
    switches = [switch for switch in (request.enable_thinking, _switched(request)) if switch is not None]
    kwargs: dict[str, Any] = {}
    if effort == "none":
        kwargs["enable_thinking"] = False
    elif effort is not None:
        kwargs["reasoning_effort"] = effort
    if switches:
        kwargs["enable_thinking"] = switches[0]
    raw = request.reasoning_format in ("raw", "none") or request.separate_reasoning is False
    excluded = request.reasoning is not None and bool(request.reasoning.exclude)
    hidden = request.include_reasoning is False or request.reasoning_format == "hidden" or excluded
    return Thinking(kwargs, _budget(request), parse=hidden or not raw, show=not hidden)


def _switched(request: ThinkingFields) -> bool | None:
    if request.thinking is not None and request.thinking.type in ("enabled", "disabled"):
        return request.thinking.type == "enabled"
    return request.reasoning.enabled if request.reasoning is not None else None


def _budget(request: ThinkingFields) -> int | None:
    """-1 is no budget, as in vLLM and llama.cpp."""
    found = dict(_budgets(request))
    if len(found) > 1:
        first, second = list(found)[:2]
        raise InvalidRequest(f"'{second}' can't be combined with '{first}': a thought has one budget.", param=second)
    budget = next(iter(found.values()), None)
    return None if budget == -1 else budget


def _budgets(request: ThinkingFields) -> Iterator[tuple[str, int]]:
    for name in BUDGETS:
        if (value := getattr(request, name)) is not None:
            yield name, value
    if request.thinking is not None and request.thinking.budget_tokens is not None:
        yield "thinking.budget_tokens", request.thinking.budget_tokens
    if request.reasoning is not None and request.reasoning.max_tokens is not None:
        yield "reasoning.max_tokens", request.reasoning.max_tokens
