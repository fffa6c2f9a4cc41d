"""Image blocks to the wire's `MediaPart` and to where the bytes are. https://docs.claude.com/en/docs/build-with-claude/vision"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.dialects.anthropic.schema import CountRequest, DocumentBlock, ImageBlock, ToolResultBlock, UrlSource
from gateway.media.source import Media, MediaSource
from shared.errors import WrongModality
from shared.messages import MediaPart


class ImageReader:
    """Reads the images of one request, for a model that `accepts` some media.

    `sources` are in the order of the blobs that the parts name.
    """

    def __init__(self, accepts: Collection[Media] = ()) -> None:
        self.sources: list[MediaSource] = []
        self._accepts = accepts

    def read(self, block: ImageBlock, at: str) -> MediaPart:
        """The image at the path `at`. Raises WrongModality."""
        if "image" not in self._accepts:
            raise WrongModality(f"{at}: this model reads text, not images", param=at)
        source = block.source
        if isinstance(source, UrlSource):
            self.sources.append(MediaSource(at, "image", url=source.url))
        else:
            self.sources.append(MediaSource(at, "image", data=source.data))
        return MediaPart("image", len(self.sources) - 1)


def holds_images(request: CountRequest) -> bool:
    blocks: list[Any] = [block for message in request.messages for block in message.content]
    while blocks:
        block = blocks.pop()
        if isinstance(block, ImageBlock):
            return True
        if isinstance(block, ToolResultBlock):
            blocks += block.content or ()
        elif isinstance(block, DocumentBlock) and isinstance(block.source.get("content"), list):
            inner = block.source["content"]
            if any(isinstance(one, dict) and one.get("type") == "image" for one in inner):
                return True
    return False
