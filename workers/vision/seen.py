"""A prompt with media after the vision encoder: tensors along the prompt, handed to the model chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import mlx.core as mx

from workers.vision.features import Features
from workers.vision.positions import Layout

Run = tuple[int, int, str]
"""A stretch of media tokens in a prompt: start, end, key."""


@dataclass(slots=True)
class Seen:
    """`positions` are M-RoPE's, in `layout`; `deep` are deepstack's [media tokens, dim] per layer, in prompt order."""

    layout: Layout = Layout.AXES_ROWS_TOKENS
    embeds: mx.array | None = None  # [1, tokens, dim]
    positions: mx.array | None = None
    aligned: dict[str, mx.array] = field(default_factory=dict)  # [1, tokens, ...], by the model's names
    mask: mx.array | None = None  # bool [1, tokens]: media tokens
    deep: list[mx.array] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)  # media tokens before each token

    def take(self, fields: Any) -> None:
        """What `get_input_embeddings` returned."""
        self.embeds = fields.inputs_embeds
        if fields.per_layer_inputs is not None:
            self.aligned["per_layer_inputs"] = fields.per_layer_inputs
        deep = fields.deepstack_visual_embeds
        if deep and fields.visual_pos_masks is not None:
            flags: Any = fields.visual_pos_masks[0].tolist()
            # Cohere Compass hands the layers over in an object that repeats the mask.
            self._deepen(list(getattr(deep, "embeddings", deep)), [bool(flag) for flag in flags])

    def fill(self, fields: Any, runs: Sequence[Run], found: Sequence[Features]) -> None:
        """The text's embeddings, with known features where media stand."""
        self.take(fields)
        if self.embeds is None:
            return
        self.embeds = self.embeds.astype(found[0][0].dtype)
        for (start, end, _), (embeds, *_) in zip(runs, found, strict=True):
            self.embeds[0, start:end] = embeds
        layers = list(zip(*(deep for _, *deep in found), strict=True))
        if layers:
            flags = [False] * int(self.embeds.shape[1])
            for start, end, _ in runs:
                flags[start:end] = [True] * (end - start)
            self._deepen([mx.concatenate(list(layer)) for layer in layers], flags)

    def features(self, start: int, end: int) -> list[mx.array]:
        """What stands for the tokens [start, end), which are a medium's."""
        if self.embeds is None:
            return []
        first, last = (self.rank[start], self.rank[end]) if self.deep else (0, 0)
        return [self.embeds[0, start:end], *(layer[first:last] for layer in self.deep)]

    def chunk(self, start: int, end: int) -> dict[str, Any]:
        """The model's arguments for tokens [start, end)."""
        kwargs: dict[str, Any] = {name: value[:, start:end] for name, value in self.aligned.items()}
        if self.embeds is not None:
            kwargs["inputs_embeds"] = self.embeds[:, start:end]
        if self.positions is not None:
            kwargs["position_ids"] = self.layout.cut(self.positions, start, end)
        if self.mask is not None and self.rank[end] > self.rank[start]:
            first, last = self.rank[start], self.rank[end]
            kwargs["visual_pos_masks"] = self.mask[:, start:end]
            kwargs["deepstack_visual_embeds"] = [layer[first:last] for layer in self.deep]
        return kwargs

    @property
    def arrays(self) -> list[mx.array]:
        return [a for a in (self.embeds, self.positions, *self.aligned.values(), *self.deep) if a is not None]

    def _deepen(self, layers: list[mx.array], flags: Sequence[bool]) -> None:
        self.deep = layers
        self.mask = mx.array([list(flags)])
        self.rank = list(accumulate((int(flag) for flag in flags), initial=0))
