"""Counts demo-vision's right answers on pictures and films that it has never seen, through mlx-vlm's own loader.

python -m scripts.demo.evaluate_vision configs/demo/demo-vision --pictures 60
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_vlm import load
from mlx_vlm.models.cache import make_prompt_cache
from mlx_vlm.utils import prepare_inputs
from PIL import Image

from scripts.demo.data_vision import QUESTIONS, TEXT, Talk, about, about_film, about_pair
from scripts.demo.encode_vision import messages
from scripts.demo.pictures import draw, film, random_film, random_picture

CANVASES = ((112, 112), (300, 300), (640, 480), (200, 360), (96, 80), (500, 250), (1024, 768), (60, 110))
Tally = Counter[str]


class Demo:
    """The model as any mlx-vlm folder is loaded, answering greedily."""

    def __init__(self, folder: str) -> None:
        self._model, self._processor = load(folder)

    def ask(
        self, said: list[dict[str, Any]], images: Sequence[Image.Image] = (), frames: np.ndarray | None = None
    ) -> str:
        """Answers messages; `frames` is a decoded film, uint8 [frames, height, width, 3]."""
        videos = None if frames is None else [frames.transpose(0, 3, 1, 2)]
        inputs = prepare_inputs(self._processor, images=list(images) or None, videos=videos, prompts=self.render(said))
        ids, pixels, mask = (inputs.pop(name, None) for name in ("input_ids", "pixel_values", "attention_mask"))
        seen = self._model.get_input_embeddings(ids, pixels, mask=mask, **inputs)
        speaker, stop = self._model.language_model, self._processor.tokenizer.eos_token_id
        cache = make_prompt_cache(speaker)
        positions = mx.broadcast_to(seen.position_ids, (3, *ids.shape))
        logits = speaker(ids, inputs_embeds=seen.inputs_embeds, position_ids=positions, cache=cache).logits
        after, found = int(positions.max().item()) + 1, []
        while (token := int(logits[0, -1].argmax().item())) != stop and len(found) < 40:
            positions = mx.full((3, 1, 1), after + len(found))
            found.append(token)
            logits = speaker(mx.array([[token]]), position_ids=positions, cache=cache).logits
        return str(self._processor.tokenizer.decode(found))

    def render(self, said: list[dict[str, Any]]) -> str:
        return str(self._processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True))

    def image_tokens(self, width: int, height: int) -> int:
        return int(self._processor.image_processor.num_image_tokens(height, width))


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate demo-vision.")
    parser.add_argument("folder")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=12345)
    options = parser.parse_args()
    demo, rng = Demo(options.folder), random.Random(options.seed)
    right, asked, by_thing = Counter[str](), Counter[str](), Counter[str]()
    for number in range(options.pictures):
        picture = random_picture(rng)
        image = draw(picture, *CANVASES[number % len(CANVASES)], rng)
        for kind, phrases in QUESTIONS.items():
            question = rng.choice(phrases)
            answer = demo.ask(_question(question, 1), [image])
            _count(kind, answer, about(picture, kind), right, asked)
            if kind == "shape" and answer != about(picture, kind):
                by_thing[f"{picture.shape}: {answer}"] += 1
    for _ in range(options.pictures // 3):
        pair = random_picture(rng), random_picture(rng)
        images = [draw(picture, *CANVASES[1], rng) for picture in pair]
        answer = demo.ask(_question("What is in the pictures?", 2), images)
        _count("pair", answer, about_pair(*pair), right, asked)
        first, last = random_film(rng)
        shots = film(first, last, rng.choice((4, 5, 6, 8, 10)), 120, 90, 2)
        said = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Describe the video."}]}]
        _count(
            "film",
            demo.ask(said, frames=np.stack([np.asarray(shot) for shot in shots])),
            about_film(first, last),
            right,
            asked,
        )
    for question, answer in TEXT:
        _count("text", demo.ask(messages(Talk(((question, ""),)))[:1]), answer, right, asked)
    print({kind: f"{right[kind]}/{count}" for kind, count in asked.items()}, dict(by_thing))


def _question(text: str, pictures: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}] * pictures + [{"type": "text", "text": text}]}]


def _count(kind: str, answer: str, expected: str, right: Tally, asked: Tally) -> None:
    asked[kind] += 1
    right[kind] += answer == expected


if __name__ == "__main__":
    main()
