"""How the generation loop calls an mlx-vlm model.

Positions are always handed over: mlx-vlm keeps those of the last prompt on the module itself, which many rows can't
share. With M-RoPE (Qwen's and GLM's families) a token's position is its index plus the row's own delta; the other
families take positions from the cache. What a family wants beside embeddings and positions (deepstack, 4-d masks,
per-layer inputs) belongs to the whole prompt, so such a prompt is prefilled in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_vlm.models.cache import KVCache, make_prompt_cache

from workers.generation.job import Job, Row
from workers.vision.features import FeatureCache
from workers.vision.inputs import MediaInputs

_PLAIN = ("inputs_embeds", "position_ids", "rope_deltas")


class VisionForward:
    """`features` holds encoded media for families that need nothing but embeddings and positions."""

    kv_type = KVCache
    package = "mlx_vlm.models"

    def __init__(self, model: Any, features: FeatureCache) -> None:
        self._model = model
        self._language: Any = model.language_model
        self._features = features
        self.mrope = hasattr(self._language, "get_rope_index")
        self.plain = True  # known for good after the first image

    def make_cache(self) -> list[Any]:
        return list(make_prompt_cache(self._language))

    # ------------------------------------------------------------ images
    def usable(self, job: Job, length: int) -> int:
        media = job.media
        whole = isinstance(media, MediaInputs) and not self.plain
        return 0 if whole and length < media.end else length

    def encode(self, job: Job) -> bool:
        media = job.media
        if not isinstance(media, MediaInputs) or media.embeds is not None or job.prefilled >= media.end:
            if isinstance(media, MediaInputs) and media.positions is None:
                self._place(media)
            return True
        self._place(media)
        media.embeds = self._known(media)
        if media.embeds is not None:
            return True
        embeds = media.embeds = self.embed(media)
        job.whole = bool(media.extra)
        mx.async_eval([embeds, *_arrays(media.extra)])
        if not media.extra:
            for start, end, key in media.runs:
                self._features.put(key, mx.contiguous(embeds[0, start:end]))
        media.pixels = None
        return False

    def embed(self, media: MediaInputs) -> mx.array:
        """The prompt's embeddings, with what the vision encoder says in place of the media's tokens."""
        found = self._model.get_input_embeddings(media.ids, media.pixels, mask=media.mask, **media.data)
        fields = {name: value for name, value in found.to_dict().items() if value is not None}
        media.extra = {name: value for name, value in fields.items() if name not in _PLAIN}
        self.plain = not media.extra
        embeds: mx.array = fields["inputs_embeds"]
        return embeds

    def _place(self, media: MediaInputs) -> None:
        """The prompt's M-RoPE positions and the delta of what follows."""
        if not self.mrope or media.positions is not None:
            return
        grids = (media.data.get("image_grid_thw"), media.data.get("video_grid_thw"))
        positions, delta = self._language.get_rope_index(media.ids, *grids, media.mask)
        media.positions = positions if positions.ndim == 3 else mx.broadcast_to(positions, (3, *positions.shape))
        media.delta = int(delta.item())

    def _known(self, media: MediaInputs) -> mx.array | None:
        """The prompt's embeddings when every medium has been encoded before."""
        found = [features for _, _, key in media.runs if (features := self._features.get(key)) is not None]
        if not self.plain or len(found) < len(media.runs):
            return None
        embeds: mx.array = self._model.get_input_embeddings(media.ids, None).inputs_embeds
        for (start, end, _), features in zip(media.runs, found, strict=True):
            embeds[0, start:end] = features
        return embeds

    # ------------------------------------------------------------ passes
    def prefill(self, tokens: mx.array, caches: list[Any], job: Job | None) -> None:
        media = job.media if job is not None else None
        if job is None or not isinstance(media, MediaInputs):
            self._language(tokens, cache=caches, **self._continued(caches, tokens.shape, 0))
            return
        start, end = job.prefilled, job.prefilled + tokens.shape[1]
        kwargs: dict[str, Any] = {}
        if media.positions is not None:
            kwargs["position_ids"] = media.positions[..., start:end]
        if media.embeds is not None:
            kwargs["inputs_embeds"] = media.embeds[:, start:end]
        if start == 0:
            kwargs |= {name: _cut(value, media.ids.shape[1], end) for name, value in media.extra.items()}
        self._language(tokens, cache=caches, **kwargs)
        if end >= len(job.tokens) - 1:
            media.embeds = media.positions = None
            media.extra = {}

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        deltas = [row.job.media.delta if isinstance(row.job.media, MediaInputs) else 0 for row in rows]
        shape = (tokens.shape[0], 1)
        found = self._language(tokens[:, None], cache=caches, **self._continued(caches, shape, deltas or 0))
        logits: mx.array = found.logits
        return logits[:, -1, :]

    def _continued(self, caches: list[Any], shape: tuple[int, ...], deltas: list[int] | int) -> dict[str, Any]:
        """Positions [3, rows, new] of tokens that follow what the caches hold; nothing without M-RoPE."""
        if not self.mrope:
            return {}
        start = mx.array(caches[0].offset).reshape(-1, 1) + mx.array(deltas).reshape(-1, 1)
        positions = mx.broadcast_to(start + mx.arange(shape[1])[None], shape)
        return {"position_ids": mx.broadcast_to(positions, (3, *shape))}


def _cut(value: Any, whole: int, end: int) -> Any:
    """A per-prompt tensor without the prompt's last token, which is decoded; others as they are."""
    if not isinstance(value, mx.array):
        return value
    for axis in range(value.ndim):
        if value.shape[axis] == whole:
            value = mx.take(value, mx.arange(end), axis=axis)
    return value


def _arrays(extra: dict[str, Any]) -> list[mx.array]:
    return [value for value in extra.values() if isinstance(value, mx.array)]
