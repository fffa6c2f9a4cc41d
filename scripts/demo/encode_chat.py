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
    """Token ids, and 1 where the model is to learn: its turn, and half as much for its earlier turns."""
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
    """0.5 inside earlier assistant turns, but for their first token: whether to think is decided elsewhere."""
    opening = tokenizer.encode(f"{START}assistant\n", add_special_tokens=False)
    end = tokenizer.convert_tokens_to_ids(END)
    weights = [0.0] * len(prompt)
    for at in range(len(prompt) - len(opening)):
        if prompt[at : at + len(opening)] == opening and end in prompt[at:]:
            first = at + len(opening)
            last = prompt.index(end, first)
            weights[first + 1 : last + 1] = [0.5] * (last - first)
    return weights
