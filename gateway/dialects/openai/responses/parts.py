"""Content parts to the wire's: text, images, sound, and files that hold text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from gateway.dialects.history import unseen
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.responses.schema import FilePart, ImagePart, Item, RefusalPart, TextPart
from gateway.dialects.openai.schema import MediaContent
from gateway.dialects.openai.validate import validate
from shared import messages as wire
from shared.errors import InvalidRequest, UnsupportedParameter, WrongModality

MAX_FILE = 4 * 2**20  # characters of base64; more would stall every stream, and no model reads it
_TEXT_FILE = re.compile(r"data:(text/[\w.+-]+|application/(json|xml|yaml|toml|x-yaml))(;[\w=-]+)*;base64,")
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")


def to_parts(
    parts: Sequence[Item], at: str, media: MediaReader, tell: bool = False
) -> tuple[wire.TextPart | wire.MediaPart, ...]:
    """Raises InvalidRequest naming the part; WrongModality for media that the model does not read.

    `tell`: words in the place of such media, and of files that are not read.
    """
    found: list[wire.TextPart | wire.MediaPart] = []
    for index, part in enumerate(parts):
        try:
            found.append(_part(part, f"{at}[{index}]", media))
        except (WrongModality, UnsupportedParameter):
            if not tell:
                raise
            found.append(unseen(str(part.get("type"))))
    return tuple(found)


def _part(part: Item, at: str, media: MediaReader) -> wire.TextPart | wire.MediaPart:
    kind = part.get("type")
    if kind in _TEXTS:
        return wire.TextPart(validate(TextPart, part, at).text)
    if kind == "refusal":
        return wire.TextPart(validate(RefusalPart, part, at).refusal)
    if kind == "input_image":
        return _image(validate(ImagePart, part, at), at, media)
    if kind == "input_audio":
        return media.read(MediaContent.model_validate(part), at)
    if kind == "input_file":
        return wire.TextPart(_file(validate(FilePart, part, at), at))
    if "type" not in part:
        raise InvalidRequest(f"Missing required parameter: '{at}.type'.", param=f"{at}.type")
    known = ", ".join(("input_text", "input_image", "input_audio", "input_file", "output_text", "refusal"))
    raise InvalidRequest(
        f"Invalid value for '{at}.type': {str(kind)[:64]!r}. Supported values are: {known}.", param=f"{at}.type"
    )


def _image(part: ImagePart, at: str, media: MediaReader) -> wire.MediaPart:
    if part.image_url is None:
        if part.file_id is not None:
            raise _no_files(f"{at}.file_id")
        raise InvalidRequest(f"Missing required parameter: '{at}.image_url'.", param=f"{at}.image_url")
    image = {"url": part.image_url, **({"detail": part.detail} if part.detail else {})}
    return media.read(MediaContent.model_validate({"type": "image_url", "image_url": image}), at)


def _file(part: FilePart, at: str) -> str:
    """The text of a text file, under its name."""
    for name in ("file_id", "file_url"):
        if getattr(part, name) is not None:
            raise _no_files(f"{at}.{name}")
    data, at = part.file_data or "", f"{at}.file_data"
    head = _TEXT_FILE.match(data)
    if head is None:
        raise UnsupportedParameter(
            f"Unsupported value for '{at}': only text files are read, as 'data:text/plain;base64,...'.", param=at
        )
    if len(data) > MAX_FILE:
        raise InvalidRequest(f"Invalid value for '{at}': it is larger than {MAX_FILE} characters.", param=at)
    try:
        text = base64.b64decode(data[head.end() :], validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"Invalid value for '{at}': it is not UTF-8 text in base64.", param=at) from None
    return f"{part.filename}\n\n{text}" if part.filename else text


def _no_files(param: str) -> UnsupportedParameter:
    return UnsupportedParameter(
        f"Unsupported parameter: '{param}' is not supported (files are not kept; send the data).", param=param
    )


def holds_media(items: Sequence[Item]) -> bool:
    """Whether any item has a part that only a model of several modalities reads."""
    contents = (item.get(key) for item in items for key in ("content", "output"))
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(isinstance(part, dict) and part.get("type") in ("input_image", "input_audio") for part in parts)
