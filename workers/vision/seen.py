"""A prompt with media after the vision encoder: tensors along the prompt, handed to the model chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import mlx.core as mx

# Along the prompt (axis 1), by the names that mlx-vlm's language models take.
_ALIGNED = ("per_layer_inputs", "mm_token_type_ids")


@dataclass(slots=True)
class Seen:
    """`positions` [3, 1, tokens] is M-RoPE's; `deep` are deepstack's [media tokens, dim] per layer, in prompt order."""

    embeds: mx.array | None = None  # [1, tokens, dim]
    positions: mx.array | None = None
    aligned: dict[str, mx.array] = field(default_factory=dict)
    mask: mx.array | None = None  # bool [1, tokens]: media tokens
    deep: list[mx.array] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)  # media tokens before each token

    @property
    def plain(self) -> bool:
        """Whether embeddings and positions are all there is."""
        return not self.aligned and not self.deep

    def take(self, fields: Any, data: dict[str, Any]) -> None:
        """What `get_input_embeddings` returned, with the processor's own tensors."""
        self.embeds = fields.inputs_embeds
        found = {"per_layer_inputs": fields.per_layer_inputs, "mm_token_type_ids": data.get("mm_token_type_ids")}
        self.aligned = {name: found[name] for name in _ALIGNED if found[name] is not None}
        if fields.deepstack_visual_embeds is not None and fields.visual_pos_masks is not None:
            self.mask = fields.visual_pos_masks
            self.deep = list(fields.deepstack_visual_embeds)
            flags: Any = self.mask[0].tolist()
            self.rank = list(accumulate((int(flag) for flag in flags), initial=0))

    def chunk(self, start: int, end: int) -> dict[str, Any]:
        """The model's arguments for tokens [start, end)."""
        kwargs: dict[str, Any] = {name: value[:, start:end] for name, value in self.aligned.items()}
        if self.embeds is not None:
            kwargs["inputs_embeds"] = self.embeds[:, start:end]
        if self.positions is not None:
            kwargs["position_ids"] = self.positions[..., start:end]
        if self.mask is not None and self.rank[end] > self.rank[start]:
            first, last = self.rank[start], self.rank[end]
            kwargs["visual_pos_masks"] = self.mask[:, start:end]
            kwargs["deepstack_visual_embeds"] = [layer[first:last] for layer in self.deep]
        return kwargs

    @property
    def arrays(self) -> list[mx.array]:
        return [a for a in (self.embeds, self.positions, *self.aligned.values(), *self.deep) if a is not None]
