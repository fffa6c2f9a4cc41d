"""Tiny mlx-vlm models with seeded random weights, and prompts with made-up pictures for each; no processor is involved.

Weights are drawn wide enough that greedy answers vary from token to token. Import this below `tests/conftest.py`, which
sets MLX up for tests.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_vlm.utils import update_module_configs

VOCAB = 96
IMAGE, VIDEO, START, END, EOS = 90, 91, 88, 89, 95
WINDOW = 16  # of the families with sliding windows: short, so that every test runs past it


@dataclass(slots=True)
class Case:
    """A prompt, and what a processor would have made of its media; `media` names them, one a run of media tokens."""

    tokens: list[int]
    data: dict[str, Any] = field(default_factory=dict)  # get_input_embeddings' arguments
    media: tuple[str, ...] = ()

    def followed_by(self, more: Sequence[int]) -> Case:
        """The same media at the beginning of a longer prompt."""
        data = dict(self.data)
        if (types := data.get("mm_token_type_ids")) is not None:
            data["mm_token_type_ids"] = mx.pad(types, [(0, 0), (0, len(more))])
        return Case([*self.tokens, *more], data, self.media)


@dataclass(slots=True)
class Family:
    """`cases` by name: image, two, video, text, long; which ones there are depends on the family."""

    model: Any
    cases: dict[str, Case]


class Drawn:
    """Random words and pixels, the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def words(self, count: int) -> list[int]:
        return [int(token) for token in self._rng.integers(3, 80, count)]

    def pixels(self, *shape: int) -> mx.array:
        return mx.array(self._rng.normal(size=shape).astype(np.float32))

    def patches(self, t: int, h: int, w: int, token: int = IMAGE) -> tuple[list[int], mx.array, mx.array]:
        """Tokens, pixels and grid of a picture or film in Qwen's way."""
        tokens = [START, *[token] * (t * h * w // 4), END]
        return tokens, self.pixels(t * h * w, 3 * 2 * 14 * 14), mx.array([[t, h, w]])


TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCAB,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
VISION: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
QWEN_VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "out_hidden_size": 64,
    "num_heads": 4,
    "patch_size": 14,
}
QWEN_IDS: dict[str, Any] = {
    "image_token_id": IMAGE,
    "image_token_index": IMAGE,
    "video_token_id": VIDEO,
    "video_token_index": VIDEO,
    "vision_start_token_id": START,
    "vision_end_token_id": END,
    "vocab_size": VOCAB,
    "eos_token_id": [EOS],
}
MROPE: dict[str, Any] = {"type": "mrope", "rope_type": "mrope", "mrope_section": [2, 3, 3]}


def build(family: str, variant: str = "") -> Family:
    """A tiny model of the family with its cases. `variant` "bidirectional" (gemma4): media tokens see each other."""
    draw = Drawn()
    model, cases = BUILDERS[family](family, draw, variant)
    cases["text"] = Case(draw.words(9))
    cases["long"] = Case(draw.words(60))
    return Family(model, cases)


def make(module_name: str, config: dict[str, Any], gain: float = 2.0, embed: float = 1.0) -> Any:
    """The model of a config, its matrices drawn anew; `embed` scales the token embeddings."""
    module = importlib.import_module(f"mlx_vlm.models.{module_name}")
    config = json.loads(json.dumps(config))
    for name in ("text_config", "vision_config", "audio_config"):
        config.setdefault(name, {})
    parts = ["text", "vision", "perceiver", "projector", "audio"]
    parsed = update_module_configs(module.ModelConfig.from_dict(config), module, config, parts)
    mx.random.seed(3)  # vectors keep what the model's own code draws
    model = module.Model(parsed)
    return draw_weights(model, gain, embed)


def draw_weights(model: Any, gain: float = 2.0, embed: float = 1.0) -> Any:
    """Draws the matrices of a model anew, always the same."""
    mx.random.seed(3)
    weights = []
    for name, weight in tree_flatten(model.parameters()):
        if weight.ndim >= 2 and "A_log" not in name:
            scale = embed if "embed_tokens" in name else gain / np.sqrt(weight.shape[-1])
            weight = mx.random.normal(weight.shape) * scale
        weights.append((name, weight))
    model.update(tree_unflatten(weights))
    model.eval()
    mx.eval(model.parameters())
    return model


# ------------------------------------------------------------------ families with M-RoPE
def _qwen_config(family: str) -> dict[str, Any]:
    text = TEXT | {"model_type": family, "rope_scaling": MROPE}
    vision = QWEN_VISION | {"model_type": family}
    if family == "qwen2_vl":
        vision |= {"embed_dim": 64, "mlp_ratio": 2}
    elif family == "qwen2_5_vl":
        vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    elif family == "qwen3_vl":
        text |= {"model_type": "qwen3_vl_text", "head_dim": 16}
        vision |= {"depth": 3, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
    else:
        text |= {
            "head_dim": 16,
            "linear_num_value_heads": 2,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 16,
            "linear_conv_kernel_dim": 3,
            "full_attention_interval": 2,
            "rope_scaling": None,
            "rope_parameters": {
                "type": "default",
                "mrope_section": [1, 1, 0],
                "rope_theta": 10000,
                "partial_rotary_factor": 0.25,
            },
        }
        vision |= {"num_position_embeddings": 64}
    flat = TEXT | {"rope_scaling": MROPE} if family in ("qwen2_vl", "qwen2_5_vl") else {}
    return {**flat, "model_type": family, **QWEN_IDS, "text_config": text, "vision_config": vision}


def _qwen(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    (one, p1, g1), (other, p2, g2) = draw.patches(1, 4, 6), draw.patches(1, 6, 4)
    film, pv, gv = draw.patches(3, 4, 4, VIDEO)
    both = {"pixel_values": mx.concatenate([p1, p2]), "image_grid_thw": mx.concatenate([g1, g2])}
    video = {"pixel_values_videos": pv, "video_grid_thw": gv}
    return make(family, _qwen_config(family)), {
        "image": Case(draw.words(5) + one + draw.words(7), {"pixel_values": p1, "image_grid_thw": g1}, ("one",)),
        "two": Case(draw.words(2) + one + draw.words(3) + other + draw.words(9), both, ("one", "other")),
        "video": Case(draw.words(4) + film + draw.words(6), video, ("film",)),
    }


def _glm4v(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    text = TEXT | {
        "model_type": "glm4v_text",
        "eos_token_id": [EOS],
        "partial_rotary_factor": 0.5,
        "rope_scaling": {"rope_type": "default", "mrope_section": [1, 2, 1]},
    }
    vision = QWEN_VISION | {"model_type": family, "image_size": 56}
    one, pixels, grid = draw.patches(1, 4, 6)
    data = {"pixel_values": pixels, "image_grid_thw": grid}
    model = make(family, {"model_type": family, **QWEN_IDS, "text_config": text, "vision_config": vision})
    return model, {"image": Case(draw.words(5) + one + draw.words(7), data, ("one",))}


# ------------------------------------------------------------------ Gemma
def _gemma3(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    text = TEXT | {
        "model_type": family,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": WINDOW,
        "sliding_window_pattern": 2,
        "mm_tokens_per_image": 4,
    }
    config = plain_config(family, text, VISION | {"model_type": family}) | {"hidden_size": 64, "pad_token_id": 0}
    return make(family, config), framed(draw, tokens=4, shape=(1, 3, 56, 56), behind=27)


def _gemma4(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    text = {name: value for name, value in TEXT.items() if name != "rope_theta"} | {
        "model_type": "gemma4_text",
        "head_dim": 16,
        "global_head_dim": 32,
        "vocab_size_per_layer_input": VOCAB,
        "hidden_size_per_layer_input": 8,
        "num_kv_shared_layers": 2,
        "sliding_window": WINDOW,
        "sliding_window_pattern": 2,
        "tie_word_embeddings": True,
        "use_double_wide_mlp": False,
        "use_bidirectional_attention": "vision" if variant == "bidirectional" else None,
    }
    vision = {
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 12,
        "global_head_dim": 12,
        "patch_size": 4,
        "default_output_length": 4,
        "position_embedding_size": 64,
        "pooling_kernel_size": 2,
    }
    ids = {
        "audio_config": None,
        "image_token_id": IMAGE,
        "audio_token_id": 92,
        "video_token_id": VIDEO,
        "vocab_size": VOCAB,
    }
    model = make(family, {"model_type": family, **ids, "text_config": text, "vision_config": vision}, embed=0.03)
    pixels = draw.pixels(1, 3, 16, 16)
    features = model.encode_image(pixels)
    count = features.reshape(-1, features.shape[-1]).shape[0]
    tokens = draw.words(5) + [IMAGE] * count + draw.words(2 if variant else 27)
    types = mx.array([[int(token == IMAGE) for token in tokens]])
    data = {"pixel_values": pixels, "mm_token_type_ids": types}
    return model, {"image": Case(tokens, data, ("one",))}


# ------------------------------------------------------------------ a language model behind a picture
def plain_config(family: str, text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_type": family,
        "image_token_index": IMAGE,
        "image_token_id": IMAGE,
        "vocab_size": VOCAB,
        "text_config": text,
        "vision_config": vision,
    }


def framed(draw: Drawn, tokens: int, shape: tuple[int, ...], behind: int = 7, **more: Any) -> dict[str, Case]:
    """One picture of `tokens` tokens between words."""
    ids = draw.words(5) + [IMAGE] * tokens + draw.words(behind)
    return {"image": Case(ids, {"pixel_values": draw.pixels(*shape), **more}, ("one",))}


def _llava(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    vision = VISION | {"model_type": "clip_vision_model", "num_hidden_layers": 3, "projection_dim": 64}
    model = make(family, plain_config(family, TEXT | {"model_type": "llama"}, vision))
    return model, framed(draw, tokens=16, shape=(1, 3, 56, 56))


def _llava_onevision(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    vision = VISION | {"model_type": "siglip_vision_model", "num_hidden_layers": 3, "hidden_size": 48}
    config = plain_config(family, TEXT | {"model_type": "qwen2"}, vision)
    sizes = [[56, 56], [56, 112], [112, 56], [112, 112]]
    model = make(family, config | {"video_token_index": VIDEO, "image_grid_pinpoints": sizes})
    size = mx.array([[56, 56]])
    count = int(model.get_image_features(draw.pixels(1, 2, 3, 56, 56), size).shape[0])
    length = int(model.get_video_features(draw.pixels(1, 3, 3, 56, 56)).shape[0])
    film = draw.words(4) + [VIDEO] * length + draw.words(5)
    return model, {
        **framed(draw, tokens=count, shape=(1, 2, 3, 56, 56), image_sizes=size),
        "video": Case(film, {"pixel_values_videos": draw.pixels(1, 3, 3, 56, 56)}, ("film",)),
    }


def _idefics3(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    vision = VISION | {"model_type": "idefics3"}
    model = make(family, plain_config(family, TEXT | {"model_type": "llama"}, vision) | {"scale_factor": 2})
    mask = mx.ones((1, 2, 56, 56), dtype=mx.bool_)
    return model, framed(draw, tokens=8, shape=(1, 2, 3, 56, 56), pixel_attention_mask=mask)


def _pixtral(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    text = TEXT | {"model_type": "mistral", "head_dim": 16, "layer_types": ["full_attention"] * 4}
    config = plain_config(family, text, VISION | {"model_type": "pixtral", "head_dim": 16})
    config |= {"vision_feature_layer": -1, "spatial_merge_size": 2}
    size = mx.array([[56, 56]])
    count = 16 if family == "pixtral" else 4
    return make(family, config), framed(draw, tokens=count, shape=(1, 3, 56, 56), image_sizes=size)


def _lfm2_vl(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    text = TEXT | {
        "model_type": "lfm2",
        "norm_eps": 1e-6,
        "block_dim": 64,
        "conv_dim": 64,
        "conv_dim_out": 64,
        "block_ff_dim": 96,
        "block_auto_adjust_ff_dim": False,
        "num_heads": 4,
        "layer_types": ["conv", "full_attention"] * 2,
        "tie_word_embeddings": True,
    }
    vision = VISION | {"hidden_size": 48, "patch_size": 4, "num_patches": 64}
    config = plain_config("lfm2-vl", text, vision) | {"downsample_factor": 2, "projector_hidden_size": 64}
    shapes, mask = mx.array([[4, 4]]), mx.ones((1, 16), dtype=mx.int32)
    return make(family, config), framed(
        draw, tokens=4, shape=(1, 16, 48), behind=2, spatial_shapes=shapes, pixel_attention_mask=mask
    )


def _internvl(family: str, draw: Drawn, variant: str) -> tuple[Any, dict[str, Case]]:
    config = plain_config(family, TEXT | {"model_type": "qwen2"}, VISION | {"model_type": "intern_vit_6b"})
    return make(family, config), framed(draw, tokens=4, shape=(1, 3, 56, 56))


BUILDERS: dict[str, Callable[[str, Drawn, str], tuple[Any, dict[str, Case]]]] = {
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5"), _qwen),
    "glm4v": _glm4v,
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "llava": _llava,
    "llava_onevision": _llava_onevision,
    **dict.fromkeys(("idefics3", "smolvlm"), _idefics3),
    **dict.fromkeys(("pixtral", "mistral3"), _pixtral),
    "lfm2_vl": _lfm2_vl,
    "internvl_chat": _internvl,
}
