"""Trains demo-vision, a Qwen2-VL of one million parameters, from nothing in a few minutes on one CPU core.

    python -m scripts.demo.train_vision configs/demo/demo-vision

Without a faster BLAS it takes far longer on Linux: `scripts/demo/train_chat.py` says how to preload one. The vision
tower first learns to name what it sees through three throw-away heads, then both towers learn to talk.
`python -m scripts.demo.evaluate_vision configs/demo/demo-vision` counts the right answers afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten
from mlx_vlm.models import qwen2_vl
from mlx_vlm.models.qwen3_vl.processing_qwen3_vl import _smart_resize_image, _smart_resize_video
from PIL import Image
from transformers import AutoTokenizer

from scripts.demo import tokenizer as bpe
from scripts.demo.data_vision import every_text, film_talk, pair_talk, picture_talk, text_talk
from scripts.demo.encode_vision import Batch, encode
from scripts.demo.pictures import COLORS, SHAPES, Picture, draw, film, random_film, random_picture
from scripts.demo.vision_forward import CELL, MEAN, MERGE, PATCH, STD, patches, read, see

HERE = Path(__file__).parent
VOCABULARY = 512
CONTEXT = 8192
VISION = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
PIXELS = (9 * CELL * CELL, 14 * CELL * CELL)  # an image becomes 9 to 14 tokens
FILM_PIXELS = (4 * 9 * CELL * CELL, 8 * 12 * CELL * CELL)  # of all frames together
FRAMES = (2, 4, 4, 6, 6, 8)

Heads = list[nn.Linear]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train demo-vision.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--look", type=int, default=1200, help="steps of the vision tower alone")
    parser.add_argument("--talk", type=int, default=1100, help="steps of both towers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mx.random.seed(options.seed)
    rng = random.Random(options.seed)
    tokenizer = write_tokenizer(options.folder)
    model = qwen2_vl.Model(model_config(write_config(options.folder, tokenizer)))
    learn_to_see(model, options.look, rng)
    learn_to_talk(model, tokenizer, options.talk, rng)
    weights = {name: weight.astype(mx.bfloat16) for name, weight in tree_flatten(model.parameters())}
    mx.save_safetensors(str(options.folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    shutil.copy(HERE / "model_card_vision.md", options.folder / "README.md")


# ------------------------------------------------------------------ the folder
def write_tokenizer(folder: Path) -> Any:
    """Trains the tokenizer, writes it and loads it as mlx-vlm does for any model."""
    folder.mkdir(parents=True, exist_ok=True)
    template = (HERE / "vision_template.jinja").read_text(encoding="utf-8")
    tokenizer = bpe.train_tokenizer(every_text(), VOCABULARY - len(VISION))
    tokenizer.add_special_tokens(list(VISION))
    bpe.save_tokenizer(tokenizer, folder, template, CONTEXT)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    settings["additional_special_tokens"] += VISION
    file.write_text(json.dumps(settings, indent=2) + "\n")
    return AutoTokenizer.from_pretrained(folder)


def write_config(folder: Path, tokenizer: Any) -> dict[str, Any]:
    pad, end = (tokenizer.convert_tokens_to_ids(token) for token in (bpe.PAD, bpe.END))
    ids = dict(zip(VISION, tokenizer.convert_tokens_to_ids(list(VISION)), strict=True))
    config: dict[str, Any] = {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "hidden_size": 96,
        "num_hidden_layers": 3,
        "intermediate_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 4, 4]},
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": pad,
        "eos_token_id": end,
        "pad_token_id": pad,
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "model_type": "qwen2_vl",
            "depth": 3,
            "embed_dim": 96,
            "hidden_size": 96,
            "num_heads": 4,
            "mlp_ratio": 2,
            "in_channels": 3,
            "patch_size": PATCH,
            "spatial_patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
        },
    }
    shared = {
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "do_resize": True,
        "rescale_factor": 1 / 255,
        "image_mean": MEAN.tolist(),
        "image_std": STD.tolist(),
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
        "processor_class": "Qwen2VLProcessor",
    }
    image = shared | {"image_processor_type": "Qwen2VLImageProcessor"} | _limits(PIXELS)
    video = shared | {"video_processor_type": "Qwen2VLVideoProcessor", "fps": 2.0, "min_frames": 2, "max_frames": 8}
    greedy = {"do_sample": False, "eos_token_id": [end, pad], "pad_token_id": pad}
    _write(folder / "config.json", config)
    _write(folder / "preprocessor_config.json", image)
    _write(folder / "video_preprocessor_config.json", video | _limits(FILM_PIXELS))
    _write(folder / "generation_config.json", greedy)
    return config


def _limits(pixels: tuple[int, int]) -> dict[str, int]:
    return {"min_pixels": pixels[0], "max_pixels": pixels[1]}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


def model_config(config: dict[str, Any]) -> Any:
    made = qwen2_vl.ModelConfig.from_dict(dict(config))
    made.text_config = qwen2_vl.TextConfig.from_dict(config)
    made.vision_config = qwen2_vl.VisionConfig.from_dict(config["vision_config"])
    return made


# ------------------------------------------------------------------ what is shown
def canvas(rng: random.Random) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of a picture, and what the image processor makes of them."""
    long = rng.randint(64, 400)
    short = max(48, round(long * rng.uniform(0.5, 1.0)))
    width, height = (long, short) if rng.random() < 0.5 else (short, long)
    rows, columns = _smart_resize_image(height, width, CELL, *PIXELS)
    return (width, height), (columns, rows)


def stills(pictures: list[Picture], size: tuple[int, int], seen: tuple[int, int], rng: random.Random) -> np.ndarray:
    """uint8 [n, 1, height, width, 3], drawn in `size` and resized as the processor does."""
    drawn = (draw(picture, *size, rng).resize(seen, Image.Resampling.BICUBIC) for picture in pictures)
    return np.stack([np.asarray(image) for image in drawn])[:, None]


def films(pairs: list[tuple[Picture, Picture]], frames: int, rng: random.Random) -> tuple[np.ndarray, tuple[int, int]]:
    """uint8 [n * frames / 2, 2, height, width, 3] and the (width, height) seen."""
    (width, height), _ = canvas(rng)
    rows, columns = _smart_resize_video(frames, height, width, 2, CELL, *FILM_PIXELS)
    shots = [
        np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC))
        for first, last in pairs
        for image in film(first, last, frames, width, height, rng.randint(1, frames - 1))
    ]
    return np.stack(shots).reshape(-1, 2, rows, columns, 3), (columns, rows)


# ------------------------------------------------------------------ learning to see
def learn_to_see(model: Any, steps: int, rng: random.Random, rows: int = 32) -> None:
    hidden = model.config.text_config.hidden_size
    heads: Heads = [nn.Linear(hidden, classes) for classes in (len(COLORS), len(SHAPES), len(COLORS))]
    learner = _Both(model.vision_tower, heads)
    names = list(COLORS)

    def loss(both: _Both, cells: mx.array, size: tuple[int, int], labels: mx.array) -> mx.array:
        pooled = see(both.tower, cells, size[1], size[0]).mean(axis=1)
        parts = [nn.losses.cross_entropy(head(pooled), labels[:, i]).mean() for i, head in enumerate(both.heads)]
        return mx.add(mx.add(parts[0], 2 * parts[1]), parts[2])  # shapes are the hardest

    def batches() -> Iterator[tuple[Any, ...]]:
        for _ in range(steps):
            size, seen = canvas(rng)
            pictures = [random_picture(rng) for _ in range(rows)]
            labels = [(names.index(p.color), SHAPES.index(p.shape), names.index(p.background)) for p in pictures]
            yield mx.array(patches(stills(pictures, size, seen, rng))), seen, mx.array(labels)

    descend(learner, loss, batches(), steps, 2e-3, "look")


class _Both(nn.Module):
    def __init__(self, tower: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.tower = tower
        self.heads = heads


# ------------------------------------------------------------------ learning to talk
def learn_to_talk(model: Any, tokenizer: Any, steps: int, rng: random.Random, rows: int = 24) -> None:
    pad, film_pad = model.config.image_token_id, model.config.video_token_id

    def loss(model: Any, cells: mx.array | None, seen: tuple[int, int], batch: Batch, which: int) -> mx.array:
        features = None
        if cells is not None:
            features = see(model.vision_tower, cells, seen[1], seen[0])
            features = features.reshape(batch.tokens.shape[0], -1, features.shape[-1])
        hidden = read(model.language_model, batch.tokens, batch.positions, features, which)
        hidden = hidden.reshape(-1, hidden.shape[-1])[batch.places]
        logits = model.language_model.model.embed_tokens.as_linear(hidden)
        return nn.losses.cross_entropy(logits, batch.targets).mean()

    def batches() -> Iterator[tuple[Any, ...]]:
        for _ in range(steps):
            kind = rng.choices(["picture", "pair", "film", "text"], [8, 2, 7, 1])[0]
            cells, seen, talks, grid = None, (0, 0), [], None
            if kind == "film":
                frames = rng.choice(FRAMES)
                pairs = [random_film(rng) for _ in range(2 * rows // 3)]
                shots, seen = films(pairs, frames, rng)
                cells, grid = patches(shots), (frames // 2, seen[1] // CELL, seen[0] // CELL)
                talks = [film_talk(rng, *pair) for pair in pairs]
            elif kind == "text":
                talks = [text_talk(rng) for _ in range(rows)]
            else:
                size, seen = canvas(rng)
                pictures = [random_picture(rng) for _ in range(rows)]
                cells, grid = patches(stills(pictures, size, seen, rng)), (1, seen[1] // CELL, seen[0] // CELL)
                if kind == "pair":
                    talks = [pair_talk(rng, *pictures[at : at + 2]) for at in range(0, rows, 2)]
                else:
                    talks = [picture_talk(rng, picture) for picture in pictures]
            shown = None if cells is None else mx.array(cells)
            yield shown, seen, encode(talks, tokenizer, grid), film_pad if kind == "film" else pad

    descend(model, loss, batches(), steps, 1.5e-3, "talk")


def descend(
    model: Any, loss: Callable[..., mx.array], batches: Iterator[tuple[Any, ...]], steps: int, rate: float, name: str
) -> None:
    """AdamW with warm-up and a cosine down to a hundredth."""
    warm = min(100, steps // 10)
    schedule = optimizers.join_schedules(
        [optimizers.linear_schedule(1e-5, rate, warm), optimizers.cosine_decay(rate, steps - warm, rate * 0.01)], [warm]
    )
    optimizer = optimizers.AdamW(learning_rate=schedule, betas=[0.9, 0.98], weight_decay=0.01)
    loss_and_gradients = value_and_grad(model, loss)
    started, losses = time.monotonic(), []
    for number, batch in enumerate(batches, 1):
        value, gradients = loss_and_gradients(model, *batch)
        gradients, _ = optimizers.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(value, model.state, optimizer.state)
        losses.append(value.item())
        if number % 100 == 0:
            print(f"{name} {number}: loss {np.mean(losses[-100:]):.4f}, {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
