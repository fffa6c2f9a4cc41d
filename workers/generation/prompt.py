"""What a request says to the tokens that the model reads, and their limits. Runs on the preprocessing thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import Prompt
from workers.generation.templates.template import ChatTemplate


def tokenize(prompt: Prompt, tokenizer: Any, vocab_size: int, template: ChatTemplate) -> list[int]:
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
        text = template.write(prompt)
        tokens = list(tokenizer.encode(text, add_special_tokens=prompt.add_special_tokens))
    return tokens


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
