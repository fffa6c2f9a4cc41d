from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.media import MediaReader, holds_media
from gateway.dialects.openai.request import parse_chat, parse_tokenize, to_count, to_generate
from gateway.media.source import MediaSource
from shared.codec import decode, encode
from shared.errors import InvalidRequest, UnsupportedParameter, WrongModality
from shared.messages import MediaPart, TextPart

ALL = ("image", "video", "audio")
AT = "messages[0].content[0]"
URL = "https://a.example/x"


def read(*parts, accepts=ALL, **more):
    """The content that the parts of one user message became, and the sources."""
    media = MediaReader(accepts)
    body = {"model": "m", "messages": [{"role": "user", "content": list(parts)}], **more}
    work = to_generate(parse_chat(body), "r", media)
    assert decode(encode(work)) == work
    return work.prompt.messages[0].content, media.sources


def options(part, **more):
    ((found,), _) = read(part, **more)
    return json.loads(found.options)


def refusal(part, accepts=ALL, **more):
    with pytest.raises(InvalidRequest) as caught:
        read(part, accepts=accepts, **more)
    return caught.value


def image(**more):
    return {"type": "image_url", "image_url": {"url": URL, **more}}


def video(**more):
    return {"type": "video_url", "video_url": {"url": URL}, **more}


SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


# ------------------------------------------------------------------ parts and sources
@pytest.mark.parametrize(
    ("part", "source", "wanted"),
    [
        (image(), MediaSource(AT, "image", url=URL), {}),
        (image(detail="low"), MediaSource(AT, "image", url=URL), {"detail": "low"}),
        ({"type": "image_url", "image_url": URL}, MediaSource(AT, "image", url=URL), {}),
        (video(), MediaSource(AT, "video", url=URL), {}),
        (SOUND, MediaSource(AT, "audio", data="AAAA"), {"format": "wav"}),
        ({"type": "audio_url", "audio_url": {"url": URL}}, MediaSource(AT, "audio", url=URL), {}),
    ],
)
def test_a_part(part, source, wanted):
    (content,), sources = read(part)
    assert (content.media, content.blob, json.loads(content.options)) == (source.media, 0, wanted)
    assert sources == [source]


def test_blobs_are_counted_over_all_messages():
    media = MediaReader(ALL)
    messages = [
        {"role": "system", "content": "look"},
        {"role": "user", "content": [image(), {"type": "text", "text": "and"}, SOUND]},
        {"role": "assistant", "content": "nice"},
        {"role": "tool", "tool_call_id": "1", "content": [video()]},
    ]
    found = to_generate(parse_chat({"model": "m", "messages": messages}), "r", media).prompt.messages
    assert found[1].content == (MediaPart("image", 0), TextPart("and"), MediaPart("audio", 1, '{"format": "wav"}'))
    assert found[3].content == (MediaPart("video", 2),)
    places = ["messages[1].content[0]", "messages[1].content[2]", "messages[3].content[0]"]
    assert [source.param for source in media.sources] == places


def test_whether_a_request_holds_media():
    def holds(content):
        return holds_media(parse_chat({"model": "m", "messages": [{"role": "user", "content": content}]}))

    assert holds([{"type": "text", "text": "x"}, image()])
    assert not holds("x")
    call = {"id": "1", "function": {"name": "f"}}
    assert not holds_media(parse_chat({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}))


# ------------------------------------------------------------------ options of videos
@pytest.mark.parametrize(
    ("part", "more", "wanted"),
    [
        (video(), {}, {}),
        (video(), {"mm_processor_kwargs": {"fps": 2, "max_frames": 8}}, {"fps": 2.0, "max_frames": 8}),
        (video(mm_processor_kwargs={"fps": 1}), {"mm_processor_kwargs": {"fps": 2}}, {"fps": 1.0}),
        (video(max_frames=9), {"mm_processor_kwargs": {"fps": 2, "max_frames": 8}}, {"fps": 2.0, "max_frames": 9}),
        (video(fps=3), {"mm_processor_kwargs": {"fps": 2}}, {"fps": 3.0}),
        ({"type": "video_url", "video_url": {"url": URL, "fps": 4, "max_frames": None}}, {}, {"fps": 4.0}),
        (image(), {"mm_processor_kwargs": {"fps": 2}}, {}),
    ],
)
def test_sampling_of_a_video(part, more, wanted):
    assert options(part, **more) == wanted


@pytest.mark.parametrize(
    ("part", "more", "param"),
    [
        (video(), {"mm_processor_kwargs": {"fps": 0}}, "mm_processor_kwargs.fps"),
        (video(), {"mm_processor_kwargs": {"max_frames": 1.5}}, "mm_processor_kwargs.max_frames"),
        (video(), {"mm_processor_kwargs": [1]}, "mm_processor_kwargs"),
        (video(fps=-1), {}, f"{AT}.fps"),
        (video(mm_processor_kwargs={"max_frames": 0}), {}, f"{AT}.mm_processor_kwargs.max_frames"),
        ({"type": "video_url", "video_url": {"url": URL, "fps": "2"}}, {}, f"{AT}.video_url.fps"),
    ],
)
def test_sampling_that_cannot_be(part, more, param):
    assert refusal(part, **more).param == param


@pytest.mark.parametrize(
    ("part", "more", "param"),
    [
        (video(), {"mm_processor_kwargs": {"min_pixels": 9}}, "mm_processor_kwargs.min_pixels"),
        (video(mm_processor_kwargs={"do_resize": False}), {}, f"{AT}.mm_processor_kwargs.do_resize"),
    ],
)
def test_other_processor_arguments_are_refused_by_name(part, more, param):
    error = refusal(part, **more)
    assert isinstance(error, UnsupportedParameter)
    assert error.param == param


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url"}, f"{AT}.image_url"),
        ({"type": "image_url", "image_url": {}}, f"{AT}.image_url.url"),
        ({"type": "image_url", "image_url": None}, f"{AT}.image_url"),
        ({"type": "image_url", "image_url": ""}, f"{AT}.image_url.url"),
        ({"type": "image_url", "image_url": {"url": 5}}, f"{AT}.image_url.url"),
        (image(detail="huge"), f"{AT}.image_url.detail"),
        ({"type": "video_url", "video_url": []}, f"{AT}.video_url"),
        ({"type": "audio_url", "audio_url": {"data": "AAAA"}}, f"{AT}.audio_url.url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, f"{AT}.input_audio.format"),
        ({"type": "input_audio", "input_audio": "AAAA"}, f"{AT}.input_audio"),
    ],
)
def test_a_part_of_the_wrong_shape(part, param):
    assert refusal(part).param == param


@pytest.mark.parametrize(
    ("accepts", "part", "says"),
    [
        ((), image(), "this model reads text, not 'image_url' parts"),
        (("image",), SOUND, "this model reads text and images, not 'input_audio' parts"),
        (("image", "video"), SOUND, "this model reads text, images and videos, not 'input_audio' parts"),
        (ALL, {"type": "file", "file": {}}, "this model reads text, images, videos and sound, not 'file' parts"),
    ],
)
def test_media_that_the_model_does_not_read(accepts, part, says):
    error = refusal(part, accepts)
    assert isinstance(error, WrongModality)
    assert (error.param, says in error.message) == (AT, True)


def test_processor_arguments_for_a_model_that_reads_text():
    error = refusal({"type": "text", "text": "x"}, (), mm_processor_kwargs={"fps": 2})
    assert (type(error), error.param) == (WrongModality, "mm_processor_kwargs")
    for neutral in (None, {}, {"fps": None}):
        assert read({"type": "text", "text": "x"}, accepts=(), mm_processor_kwargs=neutral)[1] == []


def test_tokens_of_media_are_not_counted():
    body = {"model": "m", "messages": [{"role": "user", "content": [image()]}]}
    with pytest.raises(WrongModality, match="/tokenize reads text") as caught:
        to_count(parse_tokenize(body), "r")
    assert caught.value.param == AT
