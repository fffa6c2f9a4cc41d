"""A picture in a tool's result, for a model that reads text: the model is told, and the agent's session goes on."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.messages import to_messages
from gateway.dialects.anthropic.schema import MessagesRequest
from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.request import parse_chat, to_generate
from gateway.dialects.openai.responses.items import to_messages as from_items
from shared.errors import WrongModality
from shared.messages import MediaPart, TextPart

PNG = "aGk="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
INPUT_IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}


def anthropic(content: list[dict[str, Any]], images: ImageReader) -> Any:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}
    return to_messages(MessagesRequest.model_validate(body).messages, images)


def result(*content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": "t", "content": list(content)}]


def test_anthropic_tells_the_model() -> None:
    document = {"type": "document", "source": {"type": "content", "content": [IMAGE]}}
    text = {"type": "text", "text": "see"}
    (message,) = anthropic(result(text, IMAGE, document), ImageReader())
    unseen = TextPart("[an image, which this model can't see]")
    assert message.content == (TextPart("see"), unseen, unseen)


def test_anthropic_shows_it_to_a_model_that_sees() -> None:
    images = ImageReader(("image",))
    (message,) = anthropic(result(IMAGE), images)
    assert message.content == (MediaPart("image", 0),)
    assert len(images.sources) == 1


def test_anthropic_refuses_the_users_own() -> None:
    with pytest.raises(WrongModality, match=r"messages\.0\.content\.0"):
        anthropic([IMAGE], ImageReader())


def responses(item: dict[str, Any], media: MediaReader) -> Any:
    return from_items([("input[0]", item)], media)


def test_responses_tells_the_model_where_the_picture_was() -> None:
    output = [{"type": "input_text", "text": "a"}, INPUT_IMAGE, {"type": "input_text", "text": "b"}]
    (message,) = responses({"type": "function_call_output", "call_id": "c", "output": output}, MediaReader())
    assert message.content == (
        TextPart("a"),
        TextPart("[an image, which this model can't see]"),
        TextPart("b"),
    )


def test_responses_shows_what_a_model_sees_and_tells_the_rest() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}
    media = MediaReader(("image",))
    item = {"type": "function_call_output", "call_id": "c", "output": [INPUT_IMAGE, sound, INPUT_IMAGE]}
    (message,) = responses(item, media)
    first, told, second = message.content
    assert (first.blob, second.blob, len(media.sources)) == (0, 1, 2)
    assert isinstance(told, TextPart)


DIALECTS = [
    lambda: chat([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]),
    lambda: responses({"type": "function_call_output", "call_id": "c", "output": [INPUT_IMAGE]}, MediaReader()),
    lambda: anthropic(result(IMAGE), ImageReader()),
]


def chat(content: list[dict[str, Any]], role: str = "tool", media: MediaReader | None = None) -> Any:
    message = {"role": role, "content": content} | ({"tool_call_id": "t"} if role == "tool" else {"name": "f"})
    body = {"model": "m", "messages": [message]}
    return to_generate(parse_chat(body), "r", media).prompt.messages


@pytest.mark.parametrize("read", DIALECTS)
def test_every_dialect_tells_in_the_same_words(read: Any) -> None:
    (message,) = read()
    assert message.content == (TextPart("[an image, which this model can't see]"),)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("video_url", "a video"), ("input_audio", "a sound"), ("audio_url", "a sound"), ("file", "a file")],
)
@pytest.mark.parametrize("role", ["tool", "function"])
def test_chat_tells_the_model_of_all_kinds(kind: str, words: str, role: str) -> None:
    (message,) = chat([{"type": "text", "text": "see"}, {"type": kind, kind: {}}], role)
    assert message.content[0] == TextPart("see")
    assert message.content[1].text.startswith(f"[{words}, which this model can't")


def test_chat_shows_it_to_a_model_that_sees() -> None:
    media = MediaReader(("image",))
    (message,) = chat([{"type": "image_url", "image_url": {"url": "data:,"}}], media=media)
    assert message.content == (MediaPart("image", 0),)


def test_a_file_that_is_not_read_is_told_of_too() -> None:
    told = TextPart("[a file, which this model can't read]")
    file = {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}
    (message,) = responses({"type": "function_call_output", "call_id": "c", "output": [file]}, MediaReader())
    assert message.content == (told,)
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}}
    (message,) = anthropic(result(pdf), ImageReader())
    assert message.content == (told,)


def test_responses_refuses_the_users_own() -> None:
    with pytest.raises(WrongModality):
        responses({"type": "message", "role": "user", "content": [INPUT_IMAGE]}, MediaReader())
