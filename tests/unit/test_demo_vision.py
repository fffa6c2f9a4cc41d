"""demo-vision, loaded by mlx-vlm as any model is, on the pictures and the film in tests/data/images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.demo.evaluate_vision import Demo
from workers.media.image import decode_image
from workers.media.video import decode_video

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "demo" / "demo-vision"
IMAGES = ROOT / "tests" / "data" / "images"
KNOWN: list[dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "demo_vision.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo(str(FOLDER))


def ask(demo: Demo, entry: dict[str, Any]) -> str:
    images = [decode_image((IMAGES / name).read_bytes(), param="image").pixels for name in entry["images"]]
    frames = None
    if entry["video"]:
        data = (IMAGES / entry["video"]).read_bytes()
        frames = decode_video(data, param="video", fps=2, max_frames=8).frames
    return demo.ask(entry["messages"], images, frames)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: "+".join(entry["images"]) or entry["video"] or "text")
def test_known_answers(demo: Demo, entry: dict[str, Any]) -> None:
    assert ask(demo, entry) == entry["answer"]


def test_an_image_counts_as_many_tokens_as_the_processor_says(demo: Demo) -> None:
    small, wide = demo.image_tokens(60, 60), demo.image_tokens(2000, 1000)
    assert 9 <= small <= 14
    assert 9 <= wide <= 14


def test_it_loads_without_torch(demo: Demo) -> None:
    assert demo.image_tokens(60, 60) > 0
    assert "torch" not in sys.modules


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Hi", "Hi"),
        (None, ""),
        ([{"type": "text", "text": "Hi"}], "Hi"),
        ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Hi"}], "<|image_pad|>Hi"),
        ([{"type": "image"}, {"type": "video"}], "<|image_pad|><|video_pad|>"),
        ([{"type": "video_url", "video_url": {"url": "x"}}], "<|video_pad|>"),
    ],
)
def test_the_template_takes_content_in_every_shape(demo: Demo, content: Any, expected: str) -> None:
    marked = expected.replace("<|image_pad|>", "<|vision_start|><|image_pad|><|vision_end|>")
    marked = marked.replace("<|video_pad|>", "<|vision_start|><|video_pad|><|vision_end|>")
    assert demo.render([{"role": "user", "content": content}]) == (
        f"<|im_start|>user\n{marked}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3_000_000
    assert all(file.stat().st_size < 30_000 for file in IMAGES.iterdir())
