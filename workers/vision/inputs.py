"""A conversation with media to token ids and pixels, through the family's own processor. Preprocessing thread."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from shared.errors import InvalidRequest
from workers.vision.media import Conversation
from workers.vision.seen import Run, Seen

_OURS = ("input_ids", "attention_mask", "pixel_values")


@dataclass(slots=True)
class MediaInputs:
    """What the engine thread needs beside the tokens.

    `runs` are the stretches of media tokens in the prompt, as (start, end, key); `end` is behind the last of them.
    """

    ids: mx.array  # [1, tokens]
    pixels: Any
    data: dict[str, Any]  # grids and the like, by mlx-vlm's names
    runs: list[Run]
    may_cut: bool | None = None  # whether the prompt may be prefilled in chunks; None: not asked yet
    seen: Seen | None = None  # the encoded prompt, from its first pass to its last
    delta: int = 0  # M-RoPE: a token's position less its index, after the prompt

    def release(self) -> None:
        """Lets go of what only the encoder needs."""
        self.pixels, self.data = None, {}

    @property
    def end(self) -> int:
        return self.runs[-1][1] if self.runs else 0


class InputBuilder:
    """Calls the processor; not safe for two threads at once (tokenizers aren't).

    `places` are the texts by which chat templates mark where an image and where a video stands.
    """

    def __init__(self, processor: Any, media_tokens: frozenset[int], places: Mapping[str, Sequence[str]]) -> None:
        self._processor = processor
        self._media_tokens = media_tokens
        self._places = places

    def build(self, text: str, conversation: Conversation) -> tuple[list[int], list[int], MediaInputs]:
        """Tokens, cache keys and the media's tensors of a rendered prompt. Raises InvalidRequest."""
        self._check_places(text, "image", len(conversation.images))
        self._check_places(text, "video", len(conversation.videos))
        raw = self._process(text, conversation)
        mx.eval(raw)  # what stays lazy here would carry this thread's stream into the engine
        ids: Any = raw["input_ids"].reshape(-1).tolist()
        tokens = [int(token) for token in ids]
        runs = self._runs(tokens, conversation.digests)
        if not runs:
            raise InvalidRequest("the model's chat template left no place for the media", param="messages")
        if runs[-1][1] == len(tokens):
            raise InvalidRequest("the prompt ends with media; this model needs text behind them", param="messages")
        data = {name: value for name, value in raw.items() if name not in _OURS and value is not None}
        return tokens, self._keys(tokens, runs), MediaInputs(mx.array([tokens]), raw.get("pixel_values"), data, runs)

    def _check_places(self, text: str, kind: str, wanted: int) -> None:
        """Families read on in silence when there are fewer places than media; without any, `build` finds out."""
        found = max((text.count(place) for place in self._places.get(kind, ())), default=0)
        if found and found != wanted:
            message = f"the model's chat template made {found} places for {kind}s, but there are {wanted}"
            raise InvalidRequest(message, param="messages")

    def _process(self, text: str, conversation: Conversation) -> dict[str, Any]:
        from mlx_vlm.utils import prepare_inputs

        kwargs: dict[str, Any] = {}
        if conversation.images:
            kwargs["images"] = list(conversation.images)
        if conversation.videos:
            kwargs["videos"] = [video.channels_first for video in conversation.videos]
            kwargs["video_metadata"] = [video.metadata for video in conversation.videos]
        try:
            return dict(prepare_inputs(self._processor, prompts=text, add_special_tokens=False, **kwargs))
        except Exception as error:
            # The family's own code, fed with what a user sent: whatever it raises is about this request.
            raise InvalidRequest(f"the model's processor can't read the media: {error}", param="messages") from error

    def _runs(self, tokens: Sequence[int], digests: Sequence[str]) -> list[Run]:
        """Stretches of media tokens. Where there is one a medium, its content names it; else all the media together.

        The length is part of the name: families give a picture fewer tokens when it has company.
        """
        spans: list[tuple[int, int]] = []
        start: int | None = None
        for index, token in enumerate([*tokens, -1]):
            if token in self._media_tokens and start is None:
                start = index
            elif token not in self._media_tokens and start is not None:
                spans.append((start, index))
                start = None
        if len(spans) == len(digests):
            return [(first, last, f"{key}:{last - first}") for (first, last), key in zip(spans, digests, strict=True)]
        everything = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        return [(first, last, f"{everything}:{number}:{last - first}") for number, (first, last) in enumerate(spans)]

    @staticmethod
    def _keys(tokens: Sequence[int], runs: Sequence[Run]) -> list[int]:
        """The tokens, with numbers that no token has where an image stands: equal for equal content only."""
        keys = list(tokens)
        for start, end, name in runs:
            base = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
            keys[start:end] = [-1 - base - offset for offset in range(end - start)]
        return keys
