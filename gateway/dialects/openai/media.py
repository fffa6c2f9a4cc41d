"""Media parts of chat messages, OpenAI's and vLLM's, to the wire's `MediaPart` and to where the bytes are.

Parts: https://platform.openai.com/docs/api-reference/chat/create (image_url, input_audio) and
https://docs.vllm.ai/en/latest/features/multimodal_inputs.html (video_url, audio_url, mm_processor_kwargs).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gateway.dialects.openai.schema import (
    AudioUrlPart,
    ChatRequest,
    ImagePart,
    InputAudioPart,
    MediaContent,
    VideoOptions,
    VideoPart,
)
from gateway.dialects.openai.validate import validate
from gateway.media.source import Media, MediaSource
from shared.errors import UnsupportedParameter, WrongModality
from shared.messages import MediaPart

_MEDIA: dict[str, Media] = {"image_url": "image", "video_url": "video", "audio_url": "audio", "input_audio": "audio"}
_NAMES: dict[Media, str] = {"image": "images", "video": "videos", "audio": "sound"}
_VIDEO_OPTIONS = frozenset(VideoOptions.model_fields)


class MediaReader:
    """Reads the media parts of one request, for a model that `accepts` some media.

    `sources` are in the order of the blobs that the parts name.
    """

    def __init__(self, accepts: Collection[Media] = (), reader: str = "this model") -> None:
        self.sources: list[MediaSource] = []
        self._accepts = accepts
        self._reader = reader
        self._video: dict[str, Any] = {}

    def set_defaults(self, options: VideoOptions | None) -> None:
        """Sampling for the videos that bring none. Raises UnsupportedParameter, WrongModality."""
        self._video = _video_options([("mm_processor_kwargs", options)])
        if self._video and not self._accepts:
            raise WrongModality(
                f"Invalid value for 'mm_processor_kwargs': {self._reader} reads text.", param="mm_processor_kwargs"
            )

    def read(self, part: MediaContent, at: str) -> MediaPart:
        """The part at the path `at`. Raises WrongModality, InvalidRequest."""
        media = _MEDIA.get(part.type)
        if media is None or media not in self._accepts:
            reads = _listed(["text", *(name for one, name in _NAMES.items() if one in self._accepts)])
            raise WrongModality(
                f"Invalid value for '{at}': {self._reader} reads {reads}, not '{part.type}' parts.", param=at
            )
        source, options = self._source(part, at, media)
        self.sources.append(source)
        return MediaPart(media, len(self.sources) - 1, json.dumps(options))

    def _source(self, part: MediaContent, at: str, media: Media) -> tuple[MediaSource, Mapping[str, Any]]:
        body = part.model_extra or {}
        if part.type == "input_audio":
            sound = validate(InputAudioPart, body, at).input_audio
            return MediaSource(at, media, data=sound.data), {"format": sound.format}
        if part.type == "audio_url":
            return MediaSource(at, media, url=validate(AudioUrlPart, body, at).audio_url.url), {}
        if part.type == "image_url":
            image = validate(ImagePart, body, at).image_url
            return MediaSource(at, media, url=image.url), image.model_dump(include={"detail"}, exclude_none=True)
        video = validate(VideoPart, body, at)
        own = _video_options(
            [
                (f"{at}.mm_processor_kwargs", video.mm_processor_kwargs),
                ("", video),
                ("", video.video_url),
            ]
        )
        return MediaSource(at, media, url=video.video_url.url), self._video | own


def holds_media(request: ChatRequest) -> bool:
    return any(isinstance(part, MediaContent) for message in request.messages for part in message.content or ())


def _video_options(given: Iterable[tuple[str, VideoOptions | None]]) -> dict[str, Any]:
    """The options that are set, later ones first; where a path is told, nothing else may be there."""
    found: dict[str, Any] = {}
    for path, options in given:
        if options is None:
            continue
        for name in options.model_extra or {} if path else ():
            param = f"{path}.{name[:64]}"
            raise UnsupportedParameter(
                f"Unsupported parameter: '{param}' is not supported (fps and max_frames are).", param=param
            )
        found |= options.model_dump(include=set(_VIDEO_OPTIONS), exclude_none=True)
    return found


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
