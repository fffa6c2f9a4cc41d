"""A tiny vision model's whole folder: random weights, byte-level tokenizer, mlx-vlm's own processor, chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from tokenizers import AddedToken

from tests.models import byte_level_tokenizer, write_tokenizer
from tests.vision_models import QWEN_VISION, TEXT, VISION, make

CONTEXT = 2048
SIGNS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<image>", "</image>", "<soft>")

# Qwen2-VL's way: text, or parts.
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Gemma's way: parts only.
PARTS = (
    "{% for m in messages %}{{ m.role }}: {% for part in m.content %}{% if part['type'] == 'image' %}<image>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>{% endfor %}assistant:"
)
_PIXELS = {
    "do_rescale": True,
    "do_normalize": True,
    "do_convert_rgb": True,
    "do_resize": True,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
}


def qwen2_vl(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Reads images and video; at most 12 tokens a picture."""
    vocab, ids = _tokenizer(folder, template)
    rope = {"type": "mrope", "mrope_section": [2, 3, 3]}
    text = TEXT | {"rope_scaling": rope, "vocab_size": vocab, "max_position_embeddings": CONTEXT}
    config = text | {
        "model_type": "qwen2_vl",
        "eos_token_id": ids["<|im_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "text_config": text | {"model_type": "qwen2_vl"},
        "vision_config": QWEN_VISION | {"model_type": "qwen2_vl", "embed_dim": 64, "mlp_ratio": 2},
    }
    pixels = _PIXELS | {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    _write(folder, "preprocessor_config.json", pixels | {"min_pixels": 28 * 28, "max_pixels": 12 * 28 * 28})
    video = {"fps": 2.0, "min_frames": 2, "max_frames": 16, "min_pixels": 28 * 28, "max_pixels": 64 * 28 * 28}
    _write(folder, "video_preprocessor_config.json", pixels | video)
    return _model(folder, config)


def gemma3(folder: Path, template: str | None = PARTS) -> Path:
    """Reads images only, 4 tokens each; its template takes no plain text."""
    vocab, ids = _tokenizer(folder, template)
    signs = {"boi_token": "<image>", "eoi_token": "</image>", "image_token": "<soft>"}
    _change(folder / "tokenizer_config.json", extra_special_tokens=signs, **signs)
    text = TEXT | {
        "model_type": "gemma3",
        "vocab_size": vocab,
        "max_position_embeddings": CONTEXT,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 16,
        "sliding_window_pattern": 2,
        "mm_tokens_per_image": 4,
    }
    config = {
        "model_type": "gemma3",
        "eos_token_id": ids["<|im_end|>"],
        "image_token_index": ids["<soft>"],
        "vocab_size": vocab,
        "hidden_size": 64,
        "pad_token_id": 0,
        "text_config": text,
        "vision_config": VISION | {"model_type": "gemma3"},
    }
    size = {"size": {"height": 56, "width": 56}, "image_processor_type": "Gemma3ImageProcessor"}
    _write(folder, "preprocessor_config.json", _PIXELS | size)
    _write(folder, "processor_config.json", {"image_seq_length": 4, "processor_class": "Gemma3Processor"})
    return _model(folder, config)


def _tokenizer(folder: Path, template: str | None) -> tuple[int, dict[str, int]]:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens([AddedToken(sign, special=True, normalized=False) for sign in SIGNS])
    write_tokenizer(folder, tokenizer, template)
    return tokenizer.get_vocab_size(), tokenizer.get_vocab()


def _model(folder: Path, config: dict[str, Any]) -> Path:
    weights: Any = tree_flatten(make(config["model_type"], config).parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(weights), metadata={"format": "mlx"})
    _write(folder, "config.json", config)
    return folder


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(content))


def _change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
