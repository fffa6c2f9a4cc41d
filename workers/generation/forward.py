"""How the generation loop calls a model: the seam between the loop and a library's model classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import mlx.core as mx
from mlx_lm.models.cache import KVCache, make_prompt_cache

from workers.generation.adapters import adapt
from workers.generation.job import Job, Row


class Forward(Protocol):
    kv_type: type
    """The library's plain cache of keys and values."""

    package: str
    """Where the library's model modules are."""

    @property
    def network(self) -> Any:
        """The module (`nn.Module`) that decodes."""
        ...

    def make_cache(self) -> list[Any]:
        """Fresh caches for one row, one a layer."""
        ...

    def usable(self, job: Job, length: int) -> int:
        """How much of a stored beginning of `length` tokens the prompt can go on from."""
        ...

    def encode(self, job: Job) -> bool:
        """Does one piece of a prompt's own preparation on the device; True when none is left.

        Raises RequestError for what can't be taken in; the request ends, the batch goes on.
        """
        ...

    def prefill(self, tokens: mx.array, caches: list[Any], job: Job | None) -> mx.array:
        """Runs prompt tokens [rows, new] into the caches; `job` (one row) goes on at `job.prefilled`, None: text.

        Returns the logits [rows, new, vocabulary], which cost nothing unless they are evaluated.
        """
        ...

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        """Logits [rows, vocabulary] after one more token [rows] each; `rows` is empty for made-up ones."""
        ...


class TextForward:
    """An mlx-lm model."""

    kv_type = KVCache
    package = "mlx_lm.models"

    def __init__(self, model: Any) -> None:
        adapt(model)
        self.network = model

    def make_cache(self) -> list[Any]:
        return list(make_prompt_cache(self.network))

    def usable(self, job: Job, length: int) -> int:
        return length

    def encode(self, job: Job) -> bool:
        return True

    def prefill(self, tokens: mx.array, caches: list[Any], job: Job | None) -> mx.array:
        logits: mx.array = self.network(tokens, cache=caches)
        return logits

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        logits: mx.array = self.network(tokens[:, None], cache=caches)
        return logits[:, -1, :]
