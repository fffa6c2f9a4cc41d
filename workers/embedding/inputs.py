"""From texts and token ids to what the model reads, checked against it. Runs on the preprocessing threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import EmbedInput
from workers.embedding.job import Item


class Inputs:
    """Tokenises for one model. `eos` goes behind every text: a last-token model was trained on that token's vector.

    The tokenizer is never asked to pad or truncate, so its state doesn't change and threads may share it.
    """

    def __init__(self, tokenizer: Any, vocab_size: int, context: int, eos: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._context = context
        alone = tokenizer("a", add_special_tokens=True)["input_ids"]
        self._eos = None if eos is None or alone[-1] == eos else eos

    def read(self, inputs: Sequence[EmbedInput], prompt: str = "") -> list[Item]:
        """One item an input. Raises InvalidRequest and ContextLengthExceeded naming `input` or `input[i]`."""
        if not inputs:
            raise InvalidRequest("input is empty", param="input")
        names = ["input"] if len(inputs) == 1 else [f"input[{index}]" for index in range(len(inputs))]
        for name, entry in zip(names, inputs, strict=True):
            if not entry.tokens if entry.text is None else not entry.text:
                raise InvalidRequest(f"{name} is empty", param=name)
        texts = iter(self._encode([prompt + entry.text for entry in inputs if entry.text is not None]))
        items = []
        for name, entry in zip(names, inputs, strict=True):
            tokens = next(texts) if entry.text is not None else self._ids(entry.tokens or (), name)
            items.append(self._checked(Item(tokens), name))
        return items

    def read_text(self, text: str, name: str, prompt: str = "") -> Item:
        return self._checked(Item(self._encode([prompt + text])[0]), name)

    def texts(self, texts: Sequence[str], name: str, prompt: str = "") -> list[Item]:
        """Items of texts that may be empty. Raises ContextLengthExceeded naming `name[i]`."""
        encoded = self._encode([prompt + text for text in texts])
        return [self._checked(Item(tokens), f"{name}[{index}]") for index, tokens in enumerate(encoded)]

    def pairs(self, query: str, documents: Sequence[str]) -> list[Item]:
        """The query beside each document, as the tokenizer joins two texts. Raises ContextLengthExceeded."""
        joined = self._tokenizer([query] * len(documents), list(documents), return_token_type_ids=True, verbose=False)
        rows = zip(joined["input_ids"], joined["token_type_ids"], strict=True)
        return [self._checked(Item(*row), f"documents[{index}]") for index, row in enumerate(rows)]

    def framed(self, before: Sequence[int], texts: Sequence[str], after: Sequence[int], name: str) -> list[Item]:
        """Texts between two runs of tokens. Raises ContextLengthExceeded naming `name[i]`."""
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        rows = [[*before, *tokens, *after] for tokens in encoded]
        return [self._checked(Item(tokens), f"{name}[{index}]") for index, tokens in enumerate(rows)]

    def _encode(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded: list[list[int]] = self._tokenizer(texts, add_special_tokens=True, verbose=False)["input_ids"]
        return encoded if self._eos is None else [[*tokens, self._eos] for tokens in encoded]

    def _ids(self, tokens: Sequence[int], name: str) -> Sequence[int]:
        """As they are: whoever sends ids has used the model's own tokenizer, special tokens included."""
        for token in tokens:
            if not 0 <= token < self._vocab_size:
                message = f"{name}: token id {token} is not in the vocabulary (0 to {self._vocab_size - 1})"
                raise InvalidRequest(message, param=name)
        return tokens

    def _checked(self, item: Item, name: str) -> Item:
        if not item.tokens:
            raise InvalidRequest(f"{name} holds nothing that the model reads", param=name)
        if len(item.tokens) > self._context:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {self._context} tokens, however {name} has"
                f" {len(item.tokens)} tokens. Please reduce its length.",
                param=name,
            )
        return item
