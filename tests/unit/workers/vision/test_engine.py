"""Messages with pictures and films through a whole folder: template, processor, model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from shared.errors import ContextLengthExceeded, InvalidRequest, WrongModality
from shared.messages import (
    ChatMessage,
    Count,
    Detokenize,
    Finished,
    MediaPart,
    Prompt,
    Rerank,
    TextDelta,
    TextPart,
    Tokens,
    Tool,
    ToolCall,
)
from tests.vision_driver import TOKENS, EngineDriver
from tests.vision_folder import CONTEXT
from workers.generation.loop import Answer

Eyes = Callable[..., EngineDriver]


def picture(colour: str = "red", size: tuple[int, int] = (84, 84)) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", size, "white")
    image.paste(colour, (10, 10, size[0] - 20, size[1] - 10))
    image.save(out, "PNG")
    return out.getvalue()


def film(frames: int = 10, rate: int = 5) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(frames):
            level = np.full((64, 64, 3), 10 + 20 * index % 250, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(level, format="rgb24")))
        file.mux(stream.encode(None))
    return out.getvalue()


def says(*parts: str | MediaPart, role: str = "user") -> ChatMessage:
    return ChatMessage(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def image(blob: int = 0, **options: Any) -> MediaPart:
    return MediaPart("image", blob, json.dumps(options))


def video(blob: int = 0, **options: Any) -> MediaPart:
    return MediaPart("video", blob, json.dumps(options))


def shown(d: EngineDriver, *messages: ChatMessage, blobs: list[bytes]) -> int:
    """Media tokens of a prompt."""
    media = d.prepare(messages, blobs).media
    return sum(end - start for start, end, _ in media.runs)


# ------------------------------------------------------------------ what it answers
def test_ready_says_what_the_model_is(eyes: Eyes) -> None:
    ready = eyes().ready
    assert (ready.kind, ready.context) == ("vlm", CONTEXT)
    assert {"image", "video"} <= set(ready.capabilities)
    assert ready.weights > 0


def test_media_tokens_are_counted_in_the_usage(eyes: Eyes) -> None:
    message = says(image(), "What is it?")
    bare = eyes().ask([says("What is it?")]).usage
    usage = eyes().ask([message], [picture()]).usage
    assert usage.prompt_tokens == bare.prompt_tokens + 9 + 2  # 3 x 3 tokens between two signs
    assert usage.completion_tokens == TOKENS


@pytest.mark.parametrize("family", ["qwen2_vl", "gemma3"])
def test_a_conversation_goes_on_behind_its_picture(eyes: Eyes, family: str) -> None:
    plain, cached = eyes(family), eyes(family, prefix_cache=64 << 20)
    first = [says(image(), "What is it?")]
    cached.ask(first, [picture()])
    second = [*first, says("It is red.", role="assistant"), says("Sure?")]
    answer = cached.ask(second, [picture()])
    assert answer.usage.cached_tokens > 20
    assert answer.tokens == plain.ask(second, [picture()]).tokens
    other = cached.ask(first, [picture("blue")])
    assert other.usage.cached_tokens < cached.prepare(first, [picture()]).media.runs[0][0] + 1
    assert other.tokens == plain.ask(first, [picture("blue")]).tokens


def test_counting_is_what_generating_would_read(eyes: Eyes) -> None:
    message = says(image(), "What is it?")
    counted = eyes().engine.prepare(Count("c", Prompt((message,))), [memoryview(picture())])
    assert isinstance(counted, Answer)
    tokens, end = counted.deltas
    assert isinstance(tokens, Tokens)
    assert list(tokens.tokens) == eyes().prepare([message], [picture()]).tokens
    assert end == Finished("c")


def test_detokenize(eyes: Eyes) -> None:
    engine = eyes().engine
    tokens = tuple(engine._loaded.tokenizer.encode("Good day", add_special_tokens=False))
    answer = engine.prepare(Detokenize("d", tokens), ())
    assert isinstance(answer, Answer)
    assert answer.deltas[0] == TextDelta("d", 0, "Good day")
    with pytest.raises(InvalidRequest, match="token id 9999") as raised:
        engine.prepare(Detokenize("d", (1, 9999)), ())
    assert raised.value.param == "tokens[1]"


def test_other_work_is_refused(eyes: Eyes) -> None:
    with pytest.raises(WrongModality):
        eyes().engine.prepare(Rerank("r", "query", ("document",)), ())


def test_a_trim_forgets_pictures_and_prompts_and_changes_no_answer(eyes: Eyes) -> None:
    d = eyes(prefix_cache=1 << 24)
    first = d.ask([says(image(), "?")], [picture()])
    assert d.engine.features.nbytes > 0
    d.engine.trim(0)
    assert (d.engine.features.nbytes, d.engine.stats().cache_bytes) == (0, 0)
    assert d.ask([says(image(), "?")], [picture()]) == first


# ------------------------------------------------------------------ keys
def test_keys_are_equal_for_equal_content_only(eyes: Eyes) -> None:
    d = eyes()
    red, again, blue = (d.prepare([says(image(), "?")], [picture(c)]) for c in ("red", "red", "blue"))
    assert red.tokens == blue.tokens
    assert red.keys == again.keys
    assert red.keys != blue.keys
    assert [k for k, t in zip(red.keys or [], red.tokens, strict=True) if k != t] == [
        key for key in red.keys or [] if key < 0
    ]
    start, end, _ = red.media.runs[0]
    assert len(set(red.keys[start:end])) == end - start


def test_low_detail_has_a_content_of_its_own(eyes: Eyes) -> None:
    """Where every picture has as many tokens, only the content tells them apart."""
    d = eyes("gemma3")
    large, small = picture(size=(1200, 1200)), picture(size=(300, 300))
    for data, equal in ((large, False), (small, True)):
        high, low = (d.prepare([says(image(detail=detail), "?")], [data]) for detail in ("high", "low"))
        assert len(high.tokens) == len(low.tokens)
        assert (high.keys == low.keys) == equal


def test_low_detail_costs_fewer_tokens(eyes: Eyes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.vision.media.LOW_DETAIL", 56)
    assert shown(eyes(), says(image(detail="high"), "?"), blobs=[picture()]) == 9
    assert shown(eyes(), says(image(detail="low"), "?"), blobs=[picture()]) == 4


# ------------------------------------------------------------------ films
def test_a_film_is_read_as_such_where_the_family_can(eyes: Eyes) -> None:
    media = eyes().prepare([says(video(), "?")], [film()]).media
    assert "video_grid_thw" in media.data
    assert "image_grid_thw" not in media.data


def test_fps_and_max_frames(eyes: Eyes) -> None:
    """Ten frames in two seconds; two frames are one step in time for this family."""

    def steps(**options: Any) -> int:
        media = eyes().prepare([says(video(**options), "?")], [film()]).media
        return int(media.data["video_grid_thw"][0, 0].item())

    assert steps(fps=5) == 5
    assert steps(fps=2) == 3  # 5 frames, padded to 6
    assert steps(fps=5, max_frames=4) == 2


def test_a_film_beside_a_picture_becomes_stills(eyes: Eyes) -> None:
    message = says(image(0), video(1, fps=5, max_frames=4), "?")
    media = eyes().prepare([message], [picture(), film()]).media
    assert "video_grid_thw" not in media.data
    assert media.data["image_grid_thw"].shape[0] == 1 + 4
    assert len({key for *_, key in media.runs}) == 5


def test_a_family_without_video_gets_sixteen_stills_at_most(eyes: Eyes) -> None:
    d = eyes("gemma3")
    assert d.prepare([says(video(fps=1), "?")], [film()]).media.pixels.shape[0] == 3
    long = d.prepare([says(video(fps=5, max_frames=40), "?")], [film(frames=40)])
    assert 8 < long.media.pixels.shape[0] <= 16


# ------------------------------------------------------------------ templates
def test_a_text_only_request_on_a_template_that_wants_parts(eyes: Eyes) -> None:
    d = eyes("gemma3")
    tokenizer = d.engine._loaded.tokenizer
    assert "Hello there" in tokenizer.decode(d.prepare([says("Hello there")]).tokens)
    assert "Hello there" in tokenizer.decode(eyes().prepare([says("Hello there")]).tokens)


def test_messages_without_media_stay_text_where_the_template_takes_it(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some templates put text in front of a system message, which must be text then."""
    d = eyes()
    given: list[Any] = []
    monkeypatch.setattr(
        d.engine.loop.formats.template,
        "render",
        lambda prompt, messages: given.extend(messages) or "<|vision_start|><|image_pad|><|vision_end|>?",
    )
    d.prepare([says("Be brief.", role="system"), says(image(), "?")], [picture()])
    assert [type(message["content"]) for message in given] == [str, list]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m.role }}: text only{% endfor %}", "no place for the media"),
        ("{{ messages[0].role }}<|image_pad|>?", "made 1 places for images, but there are 2"),
        ("<|image_pad|><|image_pad|><|image_pad|>?", "made 3 places for images, but there are 2"),
        ("words <|image_pad|>a<|image_pad|>", "ends with media"),
        ("{{ raise_exception('no pictures please') }}", "no pictures please"),
    ],
)
def test_a_template_that_has_no_place_for_the_media(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch, template: str, message: str
) -> None:
    d = eyes()
    inner = d.engine._loaded.tokenizer._tokenizer
    monkeypatch.setattr(inner, "chat_template", template)
    with pytest.raises(InvalidRequest, match=message) as raised:
        d.prepare([says(image(0), image(1), "?")], [picture(), picture("blue")])
    assert raised.value.param == "messages"


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("family", "marker"),
    [("qwen2_vl", "<|image_pad|>"), ("qwen2_vl", "<|video_pad|>"), ("gemma3", "<image>"), ("gemma3", "<soft>")],
)
@pytest.mark.parametrize("with_picture", [True, False])
def test_a_typed_marker_is_refused_naming_the_part(eyes: Eyes, family: str, marker: str, with_picture: bool) -> None:
    parts = ["Hi", f"what is {marker} ?", *([image()] if with_picture else [])]
    with pytest.raises(InvalidRequest, match="reserves for media") as raised:
        eyes(family).prepare([says("Hello"), says(*parts)], [picture()])
    assert raised.value.param == "messages[1].content[1]"


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("data", [b"", b"just text", picture()[:60], film()[:200]])
def test_broken_files_are_refused_naming_the_part(eyes: Eyes, kind: Any, data: bytes) -> None:
    with pytest.raises(InvalidRequest) as raised:
        eyes().prepare([says("Hi", MediaPart(kind, 0))], [data])
    assert raised.value.param == "messages[0].content[1]"


def test_sound_is_refused(eyes: Eyes) -> None:
    with pytest.raises(InvalidRequest, match="doesn't hear") as raised:
        eyes().prepare([says("Hi", MediaPart("audio", 0))], [b"RIFF"])
    assert raised.value.param == "messages[0].content[1]"


def test_media_count_against_the_context(eyes: Eyes) -> None:
    count = CONTEXT // 9
    with pytest.raises(ContextLengthExceeded):
        eyes().prepare([says(*[image()] * count, "?")], [picture()])


def test_what_a_processor_cannot_take_is_the_requests_fault(eyes: Eyes) -> None:
    with pytest.raises(InvalidRequest, match="processor can't read the media") as raised:
        eyes().prepare([says(image(), "?")], [picture(size=(6000, 21))])
    assert raised.value.param == "messages"


def test_tools_are_described_where_the_template_knows_none(eyes: Eyes) -> None:
    d = eyes()
    plain = d.prepare([says(image(), "Hi")], [picture()])
    told = d.prepare([says(image(), "Hi")], [picture()], tools=(Tool("weather"),))
    text = d.engine._loaded.tokenizer.decode([token for token in told.tokens if token >= 0])
    assert "<tools>" in text
    assert '"name": "weather"' in text
    assert len(told.media.runs) == len(plain.media.runs) == 1


def test_media_of_results_keep_their_order_in_spoken_turns(eyes: Eyes) -> None:
    d = eyes()
    calls = ChatMessage("assistant", tool_calls=(ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")))
    one, two = (ChatMessage("tool", (image(at),), tool_call_id=name) for at, name in ((1, "a"), (0, "b")))
    blobs = [picture(), picture("blue")]
    history = d.prepare([says("Hi"), calls, one, two, says("And?")], blobs, tools=(Tool("look"),))
    plain = d.prepare([says(image(1), image(0), "?")], blobs)
    assert [name for _, _, name in history.media.runs] == [name for _, _, name in plain.media.runs]
