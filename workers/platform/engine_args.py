"""A worker's specification in vLLM's engine arguments, as far as MLX can honour them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.spec import WorkerSpec

_PREFILL_CHUNK = 2048  # tokens a pass when nobody decodes; beside running rows the pacer makes it smaller


@dataclass(frozen=True, slots=True)
class EngineArgs:
    """Sizes in bytes, lengths in tokens. `max_model_len` None: the model's own context."""

    model: str
    served_model_name: str
    max_num_seqs: int
    max_model_len: int | None
    prefix_cache_memory_bytes: int
    memory_budget: int | None
    override_generation_config: Mapping[str, Any]  # defaults for requests that name no value
    tool_call_parser: str
    reasoning_parser: str
    trust_remote_code: bool
    max_num_batched_tokens: int = _PREFILL_CHUNK

    @classmethod
    def from_spec(cls, spec: WorkerSpec) -> EngineArgs:
        return cls(
            model=spec.source,
            served_model_name=spec.name,
            max_num_seqs=spec.max_batch,
            max_model_len=spec.context,
            prefix_cache_memory_bytes=spec.prefix_cache,
            memory_budget=spec.memory_budget,
            override_generation_config={key: value for key, value in spec.sampling.items() if value is not None},
            tool_call_parser=spec.tool_parser,
            reasoning_parser=spec.reasoning_parser,
            trust_remote_code=spec.trust_remote_code,
        )

    @property
    def enable_prefix_caching(self) -> bool:
        return self.prefix_cache_memory_bytes > 0

    @property
    def max_inflight(self) -> int:
        """The worker's credits: a full batch, and a few requests whose preprocessing overlaps with its steps."""
        return self.max_num_seqs + max(2, self.max_num_seqs // 4)

    def context(self, native: int) -> int:
        """The context length to offer for a model that knows `native` positions."""
        return native if self.max_model_len is None else min(native, self.max_model_len)
