"""The media of a request, decoded and counted: what stands where in the conversation. Preprocessing thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import InvalidRequest
from shared.messages import ChatMessage, MediaPart, TextPart
from workers.media.image import DecodedImage, decode_image, digest
from workers.media.video import Video, decode_video

STILLS_MOST = 16  # frames of a video for a model that reads images only
LOW_DETAIL = 512  # pixels a side, OpenAI's `detail: low`


@dataclass(slots=True)
class Conversation:
    """Messages in a template's shape, and the media that they name, in order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    videos: list[Video] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)


class MediaReader:
    """Reads messages for one model; `native_video`: it takes video as such. `fps` and `max_frames` sample videos."""

    def __init__(self, native_video: bool, markers: Sequence[str] = (), fps: float = 2.0, max_frames: int = 32) -> None:
        self._native_video = native_video
        self._fps = fps
        self._max_frames = max_frames
        self._markers = tuple(markers)  # the model's own signs for a place where media stand

    def read(self, messages: Sequence[ChatMessage], blobs: Sequence[memoryview]) -> dict[int, Any]:
        """The decoded media by the blobs that their parts name. Raises InvalidRequest naming the part."""
        found: dict[int, Any] = {}
        for at, message in enumerate(messages):
            for index, part in enumerate(message.content):
                param = f"messages[{at}].content[{index}]"
                if isinstance(part, TextPart):
                    self._check(part.text, param)
                else:
                    found[part.blob] = self._decode(part, blobs[part.blob], param)
        return found

    def _check(self, text: str, param: str) -> None:
        """A marker typed by a user would be taken for a place of media that aren't there."""
        for marker in self._markers:
            if marker in text:
                raise InvalidRequest(f"{param} contains {marker!r}, which this model reserves for media", param=param)

    def conversation(
        self, messages: Sequence[ChatMessage], shaped: Sequence[dict[str, Any]], media: dict[int, Any]
    ) -> Conversation:
        """Puts the media into the template's messages: `{"type": "image"}` and `{"type": "video"}` parts.

        `shaped` are `messages` in the template's shape, `media` what `read` found.
        """
        stills = not self._native_video or any(not isinstance(one, Video) for one in media.values())
        result = Conversation()
        for message, shape in zip(messages, shaped, strict=True):
            waiting = iter([media[part.blob] for part in message.content if isinstance(part, MediaPart)])
            if isinstance(shape["content"], list):
                parts: list[dict[str, Any]] = []
                for part in shape["content"]:
                    if part["type"] == "text":
                        parts.append(part)
                    else:
                        parts.extend(self._place(next(waiting), result, stills))
                shape = {**shape, "content": parts}
            result.messages.append(shape)
        return result

    def _place(self, one: Any, result: Conversation, stills: bool) -> list[dict[str, Any]]:
        """A video beside images becomes stills too: families drop one of the two, without a word."""
        if not isinstance(one, Video):
            result.images.append(one.pixels)
            result.digests.append(one.digest)
            return [{"type": "image"}]
        if not stills:
            result.videos.append(one)
            result.digests.append(one.digest)
            return [{"type": "video"}]
        from PIL import Image

        every = max(1, -(-len(one.frames) // STILLS_MOST))
        frames = one.frames[::every]
        result.images.extend(Image.fromarray(frame) for frame in frames)
        result.digests.extend(f"{one.digest}:{number * every}" for number in range(len(frames)))
        return [{"type": "image"}] * len(frames)

    def _decode(self, part: MediaPart, data: memoryview, param: str) -> Any:
        options = json.loads(part.options)
        if part.media == "image":
            image = decode_image(data, param=param)
            return _reduced(image) if options.get("detail") == "low" else image
        if part.media == "video":
            fps, most = options.get("fps") or self._fps, options.get("max_frames") or self._max_frames
            return decode_video(data, param=param, fps=float(fps), max_frames=int(most))
        raise InvalidRequest(f"this model doesn't hear; {param} is sound", param=param)


def _reduced(image: DecodedImage) -> DecodedImage:
    """The picture in OpenAI's low detail; a smaller one stays."""
    if max(image.pixels.size) <= LOW_DETAIL:
        return image
    image.pixels.thumbnail((LOW_DETAIL, LOW_DETAIL))
    return DecodedImage(image.pixels, digest(image.pixels))
