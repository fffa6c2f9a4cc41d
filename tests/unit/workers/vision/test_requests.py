"""Requests with media on their way through the loop: cancelled, refused, released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlx.core as mx
import pytest

from shared.messages import Failed, Finished
from tests.unit.workers.vision.conftest import Known
from tests.vision_driver import TOKENS, VisionDriver

Get = Callable[..., Known]
MIB = 1 << 20


@pytest.mark.parametrize("steps", range(7))
def test_cancel_at_each_stage(known: Get, steps: int) -> None:
    """Before the encoder, behind it, between two chunks, while it decodes; the others go on."""
    k = known("qwen2_vl")
    cases = k.family.cases
    d = VisionDriver(k.family, chunk=8)
    d.admit("other", cases["two"])
    d.admit("it", cases["image"])
    d.step(steps)
    d.cancel("it")
    d.cancel("it")
    d.drain()
    (end,) = d.answers["it"].terminals
    assert isinstance(end, Failed)
    assert end.code == "cancelled"
    assert d.answers["other"].tokens[0] == k.answer(cases["two"])
    assert d.loop.jobs == {}
    assert len(d.loop.prefill) == 0


def test_cancel_between_encoder_and_prefill(known: Get) -> None:
    k = known("qwen3_vl")
    d = VisionDriver(k.family)
    d.admit("it", k.family.cases["image"])
    d.step()
    assert d.forward.encoded == ["it"]
    assert d.forward.passes == []
    d.cancel("it")
    d.drain()
    assert d.forward.passes == []
    assert [type(end) for end in d.answers["it"].terminals] == [Failed]


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "gemma3", "llava", "gemma4"])
def test_media_that_the_encoder_cannot_take_end_their_request_alone(known: Get, family: str) -> None:
    k = known(family)
    cases = k.family.cases
    broken = replace(cases["image"], data=cases["image"].data | {"pixel_values": mx.zeros((3, 5))})
    d = VisionDriver(k.family, chunk=5)
    d.admit("text", cases["text"])
    d.step(3)
    d.admit("broken", broken)
    d.admit("image", cases["image"])
    d.drain()
    (end,) = d.answers["broken"].terminals
    assert isinstance(end, Failed)
    assert (end.code, end.param) == ("invalid_value", "messages")
    assert "can't take in the media" in end.message
    for name in ("text", "image"):
        assert d.answers[name].tokens[0] == k.answer(cases[name])
        assert [type(end) for end in d.answers[name].terminals] == [Finished]


def test_a_running_stream_gets_a_token_in_every_step_around_the_encoder(known: Get) -> None:
    k = known("qwen2_vl")
    d = VisionDriver(k.family, chunk=5)
    d.admit("text", k.family.cases["text"], max_tokens=100)
    d.step(3)
    d.admit("image", k.family.cases["two"])
    while not d.answers["image"].terminals:
        before = d.loop.stats().generated_tokens
        d.step()
        assert d.loop.stats().generated_tokens > before
    d.cancel("text")
    d.drain()


def test_choices_share_one_encoding_and_one_prefill(known: Get) -> None:
    k = known("qwen2_vl")
    image = k.family.cases["image"]
    d = VisionDriver(k.family)
    d.admit("three", image, n=3)
    d.drain()
    assert dict(d.answers["three"].tokens) == dict.fromkeys(range(3), k.answer(image))
    assert d.forward.encoded == ["three"]
    assert d.answers["three"].usage.prompt_tokens == len(image.tokens)


def test_pixels_and_embeddings_are_let_go_of_while_it_decodes(known: Get) -> None:
    k = known("qwen2_vl")
    d = VisionDriver(k.family)
    d.admit("video", k.family.cases["video"], max_tokens=50)
    media = d.loop.jobs["video"].media
    assert "pixel_values_videos" in media.data
    d.step(3)
    assert d.loop.stats().running == 1
    assert (media.pixels, media.data, media.seen.arrays) == (None, {}, [])
    d.cancel("video")
    d.drain()


def test_the_encoder_runs_again_only_for_pictures_that_are_not_kept(
    known: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    k = known("gemma3")
    image = k.family.cases["image"]
    other = replace(image, data={"pixel_values": image.data["pixel_values"] * -3}, media=("other",))
    calls: list[bool] = []
    original = k.family.model.get_input_embeddings

    def counted(ids: mx.array, pixels: Any = None, **rest: Any) -> Any:
        calls.append(pixels is not None)
        return original(ids, pixels, **rest)

    monkeypatch.setattr(type(k.family.model), "get_input_embeddings", staticmethod(counted))
    d = VisionDriver(k.family, features=4 * 64 * 4)  # room for one
    for case, encodes in ((image, True), (image, False), (other, True), (other, False), (image, True)):
        calls.clear()
        d.tokens(case)
        assert any(calls) == encodes
        assert d.features.nbytes == 4 * 64 * 4


def test_a_prompt_in_one_pass_is_paid_for_in_full(known: Get) -> None:
    """The pacer learns from what was computed, not from what it had planned."""
    k = known("gemma4", "bidirectional")
    image = k.family.cases["image"]
    d = VisionDriver(k.family, chunk=5)
    d.admit("it", image)
    d.step()
    _, tokens = d.loop.prefill.step(5)
    assert tokens == len(image.tokens) - 1
    d.cancel("it")
    d.drain()


def test_answers_have_the_length_that_is_compared(known: Get) -> None:
    assert len(known("qwen2_vl").answer(known("qwen2_vl").family.cases["text"])) == TOKENS
