"""Samples as token ids, with the weight that each token has in training."""

from __future__ import annotations

from typing import Any, Protocol

from scripts.demo.augment_chat import Sample
from scripts.demo.tokenizer import END, START


class ChatTokenizer(Protocol):
    """What transformers' tokenizers and mlx-lm's wrapper around them have in common."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...
    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str) -> int: ...


def encode(sample: Sample, tokenizer: ChatTokenizer) -> tuple[list[int], list[float]]:
    """Token ids, and 1 where the model is to learn: its turn and its call before it; half as much for earlier turns."""
    prompt = prompt_tokens(sample, tokenizer)
    answer = tokenizer.encode(sample.completion, add_special_tokens=False)
    return prompt + answer, [*history_weights(prompt, tokenizer), *([1.0] * len(answer))]


def prompt_tokens(sample: Sample, tokenizer: ChatTokenizer) -> list[int]:
    tokens: list[int] = tokenizer.apply_chat_template(
        list(sample.messages),
        tools=list(sample.tools) or None,
        add_generation_prompt=True,
        enable_thinking=sample.thinking,
        return_dict=False,
    )
    return tokens


def history_weights(prompt: list[int], tokenizer: ChatTokenizer) -> list[float]:
    """What is learned of earlier assistant turns, from the end of their empty thought on.

    0.5 for answers; 1 for calls after the tools, 0 for calls before them, which the model can't know.
    """
    opening = tokenizer.encode(f"{START}assistant\n<think>\n\n</think>\n\n", add_special_tokens=False)
    end, call, tools = (tokenizer.convert_tokens_to_ids(token) for token in (END, "<tool_call>", "</tools>"))
    offered = len(prompt) - prompt[::-1].index(tools) if tools in prompt else len(prompt)
    weights = [0.0] * len(prompt)
    for at in range(len(prompt) - len(opening)):
        first = at + len(opening)
        if prompt[at] == opening[0] and prompt[at:first] == opening and end in prompt[first:]:
            last = prompt.index(end, first)
            weight = 0.5 if call not in prompt[first:last] else float(at >= offered)
            weights[first : last + 1] = [weight] * (last + 1 - first)
    return weights
