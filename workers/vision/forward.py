"""How the generation loop calls an mlx-vlm model.

Positions are always handed over: mlx-vlm keeps those of the last prompt on the module itself, which many rows can't
share. With M-RoPE (Qwen's, GLM's and some other families) a token's position is its index plus the row's own delta; the
others take positions from the cache. A family that computes them in a prompt's first pass only (HunyuanVL) has what it
kept of the last prompt taken away, and gets its media in that pass. Sliding-window layers are kept as plain keys and
values: the model asks the cache for a mask with its window, which is exact, and a stored beginning can be cut anywhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from inspect import signature
from typing import Any

import mlx.core as mx
from mlx_vlm.models.cache import KVCache, RotatingKVCache, make_prompt_cache

from shared.errors import InvalidRequest
from workers.generation.adapters import adapt
from workers.generation.job import Job, Row
from workers.vision.features import FeatureCache
from workers.vision.inputs import MediaInputs
from workers.vision.positions import Layout, layout_of
from workers.vision.seen import Seen
from workers.vision.timeline import timelines


class VisionForward:
    """An mlx-vlm model; `features` holds encoded media."""

    kv_type = KVCache
    package = "mlx_vlm.models"

    def __init__(self, model: Any, features: FeatureCache) -> None:
        self._model = model
        adapt(model.language_model)
        self._language: Any = model.language_model
        self.network: Any = model.language_model
        self._features = features
        self._policy: Any = importlib.import_module("mlx_vlm.generate.common")._chunked_prefill_enabled
        self._layout = layout_of(self._language)
        self._keeps_positions = self._layout is Layout.NONE and hasattr(self._language, "_position_ids")
        known = self._layout is not Layout.NONE
        self._rope_arguments = signature(self._language.get_rope_index).parameters if known else {}

    def make_cache(self) -> list[Any]:
        caches = make_prompt_cache(self._language)
        return [KVCache() if isinstance(c, RotatingKVCache) and c.keep == 0 else c for c in caches]

    # ------------------------------------------------------------ images
    def usable(self, job: Job, length: int) -> int:
        """A prompt that can't be cut is resumed behind its media only."""
        media = job.media
        if not isinstance(media, MediaInputs):
            return length
        behind = media.end
        if self._keeps_positions:
            # HunyuanVL's first pass gives as many tokens behind a picture its positions as well.
            behind += max(end - start for start, end, _ in media.runs)
        return 0 if length < behind and not self._may_cut(media) else length

    def encode(self, job: Job) -> bool:
        media = job.media
        if not isinstance(media, MediaInputs) or media.seen is not None:
            return True
        try:
            return self._encode(job, media)
        except InvalidRequest:
            raise
        except Exception as error:
            # The family's own code met what a user sent; the batch is not touched by it.
            raise InvalidRequest(f"the model can't take in the media: {error}", param="messages") from error

    def _encode(self, job: Job, media: MediaInputs) -> bool:
        seen = Seen(self._layout)
        if self._layout is not Layout.NONE:
            seen.positions = self._positions(media)
            last: Any = seen.positions.max().item()
            media.delta = int(last) + 1 - media.ids.shape[1]
        done = job.prefilled >= media.end or self._recall(media, seen)
        if not done:
            mask = mx.ones_like(media.ids)
            seen.take(self._model.get_input_embeddings(media.ids, media.pixels, mask=mask, **media.data))
            self._check_length(media, seen)
            if self._keeps_positions:
                seen.positions = self._language._position_ids
            mx.async_eval(seen.arrays)
            for start, end, key in media.runs:
                self._features.put(key, seen.features(start, end))
        if job.prefilled < media.end and not self._may_cut(media):
            job.whole = True
            if (types := media.data.get("mm_token_type_ids")) is not None:
                seen.aligned["mm_token_type_ids"] = types
        media.seen = seen
        media.release()
        return done

    def _positions(self, media: MediaInputs) -> mx.array:
        """M-RoPE's positions of the whole prompt, in the family's layout; families differ in which grids they take."""
        given = {"image_grid_thw": media.data.get("image_grid_thw"), "video_grid_thw": media.data.get("video_grid_thw")}
        taken = {name: grid for name, grid in given.items() if name in self._rope_arguments}
        positions, _ = self._language.get_rope_index(media.ids, **taken, attention_mask=mx.ones_like(media.ids))
        if self._layout is Layout.AXES_ROWS_TOKENS:
            return mx.broadcast_to(positions, (3, 1, media.ids.shape[1]))
        return mx.array(positions)

    @staticmethod
    def _check_length(media: MediaInputs, seen: Seen) -> None:
        """Some families (LLaVA 1.6) put other numbers of embeddings in a medium's place than the prompt has tokens."""
        tokens, found = media.ids.shape[1], 0 if seen.embeds is None else seen.embeds.shape[1]
        if seen.embeds is not None and found != tokens:
            raise InvalidRequest(
                f"this family's code makes {found} embeddings of a prompt of {tokens} tokens, so its pictures can't be"
                " told from the text around them",
                param="messages",
            )

    def _may_cut(self, media: MediaInputs) -> bool:
        """Whether the family lets this prompt be prefilled in chunks: mlx-vlm's own policy, asked once."""
        if media.may_cut is None:
            asked = {"inputs_embeds": None, "prompt_cache": None, "prefill_kwargs": media.data}
            cut = not self._keeps_positions and self._policy(self._model, input_ids=media.ids, **asked)
            media.may_cut = bool(cut)
        return media.may_cut

    def _recall(self, media: MediaInputs, seen: Seen) -> bool:
        """Whether every medium has been encoded before; the prompt is then put together from that."""
        found = [features for _, _, key in media.runs if (features := self._features.get(key)) is not None]
        if len(found) < len(media.runs) or self._keeps_positions:
            return False
        seen.fill(self._model.get_input_embeddings(media.ids, None), media.runs, found)
        return True

    # ------------------------------------------------------------ passes
    def prefill(self, tokens: mx.array, caches: list[Any], job: Job | None) -> mx.array:
        if self._keeps_positions:
            self._language._position_ids = None
        media = job.media if job is not None else None
        if job is None or not isinstance(media, MediaInputs):
            text: mx.array = self._language(tokens, **self._continued(caches, tokens.shape, 0)).logits
            return text
        end = job.prefilled + tokens.shape[1]
        seen = media.seen or Seen(self._layout)
        logits: mx.array = self._language(tokens, cache=caches, **seen.chunk(job.prefilled, end)).logits
        if end >= len(job.tokens) - 1:
            media.seen = Seen(self._layout)  # lets go of its arrays
        return logits

    def decode(self, tokens: mx.array, caches: list[Any], rows: Sequence[Row]) -> mx.array:
        if self._keeps_positions:
            self._language._position_ids = None
        deltas = [row.job.media.delta if isinstance(row.job.media, MediaInputs) else 0 for row in rows]
        shape = (tokens.shape[0], 1)
        found = self._language(tokens[:, None], **self._continued(caches, shape, deltas or 0))
        logits: mx.array = found.logits
        return logits[:, -1, :]

    def _continued(self, caches: list[Any], shape: tuple[int, ...], deltas: list[int] | int) -> dict[str, Any]:
        """The caches, with M-RoPE also positions, for tokens that follow what the caches hold."""
        if self._layout is Layout.NONE:
            return {"cache": caches}
        offset = next(cache.offset for cache in caches if hasattr(cache, "offset"))
        start = mx.array(offset).reshape(-1, 1) + mx.array(deltas).reshape(-1, 1)
        positions = mx.broadcast_to(start + mx.arange(shape[1])[None], shape)
        return {"cache": timelines(caches), "position_ids": self._layout.spread(positions)}
