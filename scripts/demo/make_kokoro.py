"""Writes configs/demo/demo-kokoro: config, voices and a recipe for weights, but no weights (they would be 230 MB).

A Kokoro can't be small: its layers' widths are written in its code. So `demo-kokoro` is drawn from a seed while it
loads. It makes sound of the right length in every voice and language, and says nothing that anybody understands.

    python scripts/demo/make_kokoro.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx

FOLDER = Path(__file__).parents[2] / "configs" / "demo" / "demo-kokoro"
VOICES = (
    *("af_bella", "af_heart", "am_adam", "am_echo", "bf_emma", "bm_george"),
    *("ef_dora", "ff_siwis", "hf_alpha", "if_sara", "jf_alpha", "pf_dora", "zf_xiaobei"),
)
# Kokoro-82M's alphabet, without its gaps; the first sign marks both ends.
ALPHABET = (
    '$;:,.!?—…"() “”̃ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ'
)
RULES = [
    {"match": "*.weight_v", "normal": 1.0},
    {"match": "predictor.duration_proj.linear_layer.bias", "constant": -3.3},  # 50 sigmoids: about 2 frames, 45 ms
    {"match": "decoder.generator.conv_post.bias", "constant": 2.0},  # exponentiated: how loud it is
    {"match": "decoder.generator.conv_post.weight_g", "constant": 0.1},
]


def config() -> dict[str, Any]:
    """The architecture with its smallest sizes; one upsampling stage of 1 leaves 600 samples a frame to the ISTFT."""
    vocab = {sign: index for index, sign in enumerate(dict.fromkeys(ALPHABET))}
    return {
        "model_type": "kokoro",
        "dim_in": 64,
        "dropout": 0.0,
        "hidden_dim": 512,
        "max_conv_dim": 512,
        "max_dur": 50,
        "multispeaker": True,
        "n_layer": 1,
        "n_mels": 80,
        "n_token": len(vocab),
        "style_dim": 128,
        "text_encoder_kernel_size": 5,
        "sample_rate": 24000,
        "istftnet": {
            "upsample_kernel_sizes": [3],
            "upsample_rates": [1],
            "gen_istft_hop_size": 300,
            "gen_istft_n_fft": 1200,
            "resblock_dilation_sizes": [[1, 1, 1]],
            "resblock_kernel_sizes": [3],
            "upsample_initial_channel": 512,
        },
        "plbert": {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": 512,
            "num_hidden_layers": 1,
            "embedding_size": 32,
            "dropout": 0.0,
        },
        "vocab": vocab,
    }


def write(folder: Path, size: int) -> None:
    """`size` is what the weights take in float32, in bytes."""
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    recipe = {"init": "random", "seed": 7, "dtype": "float32", "bytes": size, "rules": RULES}
    (folder / "config.json").write_text(json.dumps(config(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "weights.recipe.json").write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    for index, name in enumerate(VOICES):
        style = mx.random.normal((1, 1, 256), scale=0.3, key=mx.random.key(index)).astype(mx.float16)
        # One style for every length: the file compresses to almost nothing.
        pack = mx.contiguous(mx.broadcast_to(style, (510, 1, 256)))
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"voice": pack})


def weight_bytes() -> int:
    from mlx.utils import tree_flatten
    from mlx_audio.tts.models.kokoro import Model, ModelConfig

    leaves: Any = tree_flatten(Model(ModelConfig.from_dict(config())).parameters())
    return sum(int(array.size) * 4 for _, array in leaves)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, weight_bytes())
