"""A tiny model of every family of mlx-vlm that is run, with made-up pictures where they are easily made.

Most come from `tests/vision_models.py`. Windows and the lengths that rotary embeddings were trained for lie above what
the probe tries and below what the prompts reach, as in published models.
"""

# fmt: off

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from types import SimpleNamespace
from typing import Any

import mlx.core as mx

from scripts.sweep.text_configs import FAMILIES, FULL, GEMMA3N, LLAMA4, MLA, SLIDING, WINDOW
from scripts.sweep.text_configs import config as text_config
from tests.vision_models import (
    BUILDERS,
    EOS,
    IMAGE,
    QWEN_IDS,
    QWEN_VISION,
    START,
    TEXT,
    VIDEO,
    VISION,
    VOCAB,
    Case,
    Drawn,
    Family,
    draw_weights,
    framed,
    make,
    plain_config,
)

Made = tuple[Any, dict[str, Case]]
"""A model, and its cases by name."""

MROPE: dict[str, Any] = dict(type="default", rope_type="default", mrope_section=[2, 3, 3])
MOE: dict[str, Any] = dict(num_experts=4, num_experts_per_tok=2, decoder_sparse_step=1, mlp_only_layers=[], moe_intermediate_size=32, norm_topk_prob=True)
DEEPSEEK: dict[str, Any] = MLA | dict(moe_intermediate_size=32, n_shared_experts=1, n_routed_experts=4, num_experts_per_tok=2, first_k_dense_replace=1, n_group=1, topk_group=1, routed_scaling_factor=1.0)
QWEN35_MOE = TEXT | MOE | dict(model_type="qwen3_5_moe_text", head_dim=16, linear_num_value_heads=2, linear_num_key_heads=2, linear_key_head_dim=32, linear_value_head_dim=16,
    linear_conv_kernel_dim=3, full_attention_interval=2, shared_expert_intermediate_size=32, rope_scaling=None,
    rope_parameters=dict(type="default", mrope_section=[1, 1, 0], rope_theta=1e4, partial_rotary_factor=0.25))
GLM_ROPE: dict[str, Any] = dict(rope_type="default", type="default", mrope_section=[1, 2, 1])
GLM4V_MOE = TEXT | DEEPSEEK | dict(model_type="glm4v_moe_text", head_dim=16, eos_token_id=[EOS], num_key_value_heads=2, partial_rotary_factor=0.5, use_qk_norm=True, attention_bias=False,
    norm_topk_prob=True, rope_scaling=GLM_ROPE)
GLM_OCR = {name: value for name, value in TEXT.items() if name != "rope_theta"} | dict(model_type="glm_ocr_text", head_dim=16, eos_token_id=[EOS],
    rope_parameters=MROPE | dict(partial_rotary_factor=1.0, rope_theta=1e4))
YARN: dict[str, Any] = dict(rope_type="yarn", type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=1e4, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
    llama_4_scaling_beta=0.1)
MINISTRAL3 = TEXT | dict(model_type="ministral3", head_dim=16, rope_parameters=YARN)
MISTRAL4 = TEXT | DEEPSEEK | dict(model_type="mistral4", head_dim=16, norm_topk_prob=True, rope_interleave=True, rope_parameters=YARN)
COHERE2 = TEXT | dict(model_type="cohere2", head_dim=16, layer_norm_eps=1e-5, sliding_window=WINDOW, sliding_window_pattern=4)
COMPASS = TEXT | dict(model_type="cohere_compass_text", head_dim=16, sliding_window=WINDOW, layer_types=[SLIDING, FULL] * 2, rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[2, 3, 3]))
HUNYUAN = TEXT | dict(model_type="hunyuan_vl", head_dim=16, attention_head_dim=16, org_vocab_size=VOCAB,
    rope_scaling=dict(alpha=1000.0, beta_fast=32, beta_slow=1, factor=1.0, mscale=1.0, mscale_all_dim=1.0, type="xdrope", xdrope_section=[2, 2, 2, 2]))
ERNIE = TEXT | dict(model_type="ernie4_5_moe_vl", head_dim=16, moe_num_experts=[4, 4], moe_layer_start_index=[1, 1], moe_layer_end_index=[3, 3], moe_intermediate_size=[32, 16], moe_k=2,
    moe_num_shared_experts=1, mrope_section=[2, 3, 3], rope_scaling=dict(type="default", mrope_section=[3, 3, 2]))
MINIMAX = FAMILIES["minimax_m3_vl"]["text_config"] | dict(vocab_size=VOCAB, rope_parameters=dict(rope_type="default", rope_theta=1e4, mrope_section=[2, 1, 1]))
MOLMO: dict[str, Any] = dict(model_type="molmo", d_model=64, n_heads=4, n_kv_heads=2, n_layers=3, mlp_hidden_size=192, vocab_size=VOCAB - 16, embedding_size=VOCAB - 16, additional_vocab_size=16,
    max_position_embeddings=4096)


# ------------------------------------------------------------------ with pictures
def _grids(family: str, text: dict[str, Any], vision: dict[str, Any], draw: Drawn) -> Made:
    """Pictures in Qwen's way, one and two of them."""
    (one, p1, g1), (other, p2, g2) = draw.patches(1, 4, 6), draw.patches(1, 6, 4)
    both = {"pixel_values": mx.concatenate([p1, p2]), "image_grid_thw": mx.concatenate([g1, g2])}
    model = make(family, {"model_type": family, **QWEN_IDS, "text_config": text, "vision_config": QWEN_VISION | {"model_type": family} | vision})
    return model, {
        "image": Case(draw.words(5) + one + draw.words(7), {"pixel_values": p1, "image_grid_thw": g1}, ("one",)),
        "two": Case(draw.words(2) + one + draw.words(3) + other + draw.words(9), both, ("one", "other")),
    }


def _picture(family: str, text: dict[str, Any], vision: dict[str, Any], tokens: int, shape: tuple[int, ...], more: dict[str, Any], data: dict[str, mx.array], draw: Drawn) -> Made:
    """One picture of `tokens` tokens; `more` is the rest of the configuration."""
    model = make(family, plain_config(family, text, vision) | more)
    return model, framed(draw, tokens, shape, **data)


def _mistral3(text: dict[str, Any]) -> Callable[[Drawn], Made]:
    vision, sizes = VISION | {"model_type": "pixtral", "head_dim": 16}, {"image_sizes": mx.array([[56, 56]])}
    return partial(_picture, "mistral3", text, vision, 4, (1, 3, 56, 56), {"vision_feature_layer": -1, "spatial_merge_size": 2}, sizes)


def _kimi(family: str) -> Callable[[Drawn], Made]:
    text = TEXT | DEEPSEEK | dict(model_type="deepseek_v3", topk_method="noaux_tc", scoring_func="sigmoid")
    vision = dict(model_type="moonvit", depth=2, embed_dim=64, hidden_size=64, num_heads=4, patch_size=14, intermediate_size=96, init_pos_emb_height=8, init_pos_emb_width=8, merge_kernel_size=[2, 2])
    return partial(_picture, family, text, vision, 6, (24, 3, 14, 14), {"media_placeholder_token_id": IMAGE}, {"image_grid_hws": mx.array([[4, 6]])})


def _hunyuan() -> Callable[[Drawn], Made]:
    vision = VISION | dict(model_type="hunyuan_vl", out_hidden_size=64, max_image_size=112, cat_extra_token=1)
    return partial(_picture, "hunyuan_vl", HUNYUAN, vision, 8, (16, 3 * 14 * 14), {}, {"image_grid_thw": mx.array([[1, 4, 4]])})


CLIP = VISION | dict(model_type="clip_vision_model", num_hidden_layers=3, projection_dim=64)
PERCEIVER = dict(model_type="idefics2Perceiver", num_key_value_heads=2, resampler_depth=2, resampler_head_dim=16, resampler_n_heads=4, resampler_n_latents=4)
AYA = dict(downsample_factor=2, alignment_intermediate_size=64, adapter_layer_norm_eps=1e-6, max_splits_per_img=1, vision_feature_layer=-1, vision_feature_select_strategy="full")
PICTURES: dict[str, Callable[[Drawn], Made]] = {
    "qwen3_vl_moe": partial(_grids, "qwen3_vl_moe", TEXT | MOE | dict(model_type="qwen3_vl_moe_text", head_dim=16, rope_scaling=MROPE | {"mrope_interleaved": True}),
        dict(depth=3, num_position_embeddings=64, deepstack_visual_indexes=[0, 1])),
    "qwen3_5_moe": partial(_grids, "qwen3_5_moe", QWEN35_MOE, dict(num_position_embeddings=64)),
    "cohere_compass": partial(_grids, "cohere_compass", COMPASS, dict(model_type="cohere_compass_vision", depth=3, num_position_embeddings=64, deepstack_visual_indexes=[0, 1])),
    "glm4v_moe": partial(_grids, "glm4v_moe", GLM4V_MOE, dict(image_size=56)),
    "glm_ocr": partial(_grids, "glm_ocr", GLM_OCR, dict(model_type="glm_ocr_vision", image_size=56)),
    "llava_next": partial(_picture, "llava_next", TEXT | {"model_type": "llama"}, CLIP, 16, (1, 1, 3, 56, 56), {}, {"image_sizes": mx.array([[56, 56]])}),
    "aya_vision": partial(_picture, "aya_vision", COHERE2, VISION | {"model_type": "siglip_vision_model"}, 4, (1, 3, 56, 56), AYA, {}),
    "kimi_vl": _kimi("kimi_vl"), "kimi_k25": _kimi("kimi_k25"), "hunyuan_vl": _hunyuan(),
    "idefics2": partial(_picture, "idefics2", TEXT | {"model_type": "mistral"}, VISION | {"model_type": "idefics2"}, 4, (1, 1, 3, 56, 56), {"perceiver_config": PERCEIVER},
        {"pixel_attention_mask": mx.ones((1, 1, 56, 56), dtype=mx.bool_)}),
    "mistral3+ministral3": _mistral3(MINISTRAL3), "mistral3+mistral4": _mistral3(MISTRAL4),
}


# ------------------------------------------------------------------ the language model alone
@dataclass
class TextOnly:
    """In a model's place: for rows of text, the language model is all that is used."""

    language_model: Any
    config: Any


TEXTS: dict[str, dict[str, Any]] = {
    "hunyuan_vl": HUNYUAN, "ernie4_5_moe_vl": ERNIE, "minimax_m3_vl": MINIMAX, "molmo": MOLMO,
    "gemma3n": GEMMA3N | dict(vocab_size=VOCAB, vocab_size_per_layer_input=VOCAB, intermediate_size=[96] * 6), "llama4": LLAMA4 | dict(vocab_size=VOCAB),
    **dict.fromkeys(("deepseek_vl_v2", "deepseekocr"), TEXT | DEEPSEEK | dict(model_type="deepseek_v2", topk_method="greedy")),
    **dict.fromkeys(("llava_bunny", "fastvlm"), TEXT | dict(model_type="qwen2")), "multi_modality": TEXT | dict(model_type="llama"), "molmo2": TEXT | dict(model_type="molmo2_text", head_dim=16),
    "phi4_siglip": TEXT | dict(model_type="phi3"), "granite4_vision": TEXT | dict(model_type="granitemoehybrid"),
    "glm5_next": TEXT | dict(num_key_value_heads=4),
    **dict.fromkeys(("zaya1_vl", "youtu_vl", "moondream2", "mage_vl", "locateanything", "llmjpvl", "unlimited_ocr"), TEXT),
    "step3p7": text_config("step3p5")[1] | dict(vocab_size=VOCAB),
    "paddleocr_vl": TEXT | dict(model_type="paddleocr_vl", head_dim=16, use_bias=False, rope_scaling=MROPE, rope_parameters=MROPE | dict(rope_theta=1e4)),
    "granite_vision": TEXT | dict(model_type="granite", embedding_multiplier=2.0, attention_multiplier=0.25, residual_multiplier=0.5, logits_scaling=1.0),
}
SMALL_EMBEDDINGS = {"gemma3n": 0.3}
SUFFIX = "(text)"


def _text_only(module: str) -> TextOnly:
    language: Any = importlib.import_module(f"mlx_vlm.models.{module}.language").LanguageModel
    configs: Any = importlib.import_module(f"mlx_vlm.models.{module}.config")
    text = configs.TextConfig.from_dict(dict(TEXTS[module]))
    whole = SimpleNamespace(text_config=text, image_token_id=IMAGE, image_token_index=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, model_type=module,
        vision_config=SimpleNamespace(spatial_merge_size=2))
    wanted = list(signature(language.__init__).parameters)[1:]
    mx.random.seed(3)
    model = language(whole) if module == "hunyuan_vl" else language(*(text, whole)[: len(wanted)])
    return TextOnly(draw_weights(model, embed=SMALL_EMBEDDINGS.get(module, 1.0)), whole)


# ------------------------------------------------------------------ entries
def _bidirectional(draw: Drawn) -> Made:
    return BUILDERS["gemma4"]("gemma4", draw, "bidirectional")


ENTRIES = (*BUILDERS, "gemma4+bidirectional", *(name for name in PICTURES if name not in BUILDERS), *(name + SUFFIX for name in TEXTS))


def family(name: str) -> Family:
    """The entry's model, and cases that go past what is special in its configuration."""
    draw = Drawn()
    made: Made
    if name.endswith(SUFFIX):
        made = _text_only(name.removesuffix(SUFFIX)), {}
    elif name == "gemma4+bidirectional":
        made = _bidirectional(draw)
    else:
        made = PICTURES[name](draw) if name in PICTURES else BUILDERS[name](name, draw, "")
    model, cases = made
    return Family(model, cases | {"text": Case(draw.words(9)), "long": Case(draw.words(160)), "mid": Case(draw.words(70))})
